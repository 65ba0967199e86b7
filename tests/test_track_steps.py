import cv2
import numpy as np
import pytest

from cleanplate.runtime.threads import one_thread_each
from cleanplate.track import features as features_module
from cleanplate.track.background import Background, Evidence, _move, camera_flow
from cleanplate.track.classifier import Classifier, Samples, deform, samples
from cleanplate.track.components import centroid, count_components, main_components
from cleanplate.track.features import N_POWERS, appearance_features, mask_features
from cleanplate.track.fields import blur, bounding_window, filled_up, guided_filter, sparse, warp
from cleanplate.track.flow import _passes, _propagate
from cleanplate.track.likelihood import MAX_LOG_ODDS, MIN_LOG_ODDS, LikelihoodRatio
from cleanplate.track.looks import Looks
from cleanplate.track.propagate import Propagator, let_go, observe, step_confidence
from tests.conftest import texture
from tests.rolling_ball import SIZE, ball_shot, iou


def test_an_observation_has_the_flow_to_the_frame_before() -> None:
    wall = (texture(64, 120) * 255).astype(np.uint8)
    observation = observe(wall[:, 3:99], wall[:, :96])
    assert np.median(observation.flow[8:-8, 8:-8, 0]) == pytest.approx(3, abs=0.2)
    assert np.median(observation.flow[8:-8, 8:-8, 1]) == pytest.approx(0, abs=0.2)


def test_the_camera_is_what_most_vectors_agree_on() -> None:
    rng = np.random.default_rng(0)
    flow = np.full((*SIZE, 2), (3, -1), np.float32)
    flow[30:70, 40:90] = (-8, 5)
    camera = camera_flow(flow, np.ones(SIZE, bool))
    assert camera is not None
    assert np.abs(camera - np.array([3, -1])).max() < 0.05
    inside = np.zeros(SIZE, bool)
    inside[30:70, 40:90] = True
    other = camera_flow(flow, inside)
    assert other is not None
    assert np.abs(other[50, 60] - np.array([-8, 5])).max() < 0.05
    assert camera_flow(flow, inside & (np.arange(SIZE[1]) < 46)) is None  # too few vectors
    assert camera_flow(rng.normal(0, 40, (*SIZE, 2)).astype(np.float32), np.ones(SIZE, bool)) is None


def test_a_likelihood_ratio_is_learned_from_what_was_observed() -> None:
    ratio = LikelihoodRatio(0.01, 10)
    small, large = np.full(SIZE, 0.1, np.float32), np.full(SIZE, 5, np.float32)
    everywhere, inside = np.ones(SIZE, np.float32), np.zeros(SIZE, np.float32)
    inside[:, :72] = 1
    assert ratio.log_odds(small)[0, 0] == pytest.approx(0, abs=1e-6)
    for _ in range(5):
        ratio.update(np.where(inside > 0, large, small), inside, everywhere)
    assert ratio.log_odds(small)[0, 0] == pytest.approx(MIN_LOG_ODDS)
    assert ratio.log_odds(large)[0, 0] == pytest.approx(MAX_LOG_ODDS)
    for _ in range(30):  # what was learned is forgotten
        ratio.update(np.where(inside > 0, small, large), inside, everywhere)
    assert ratio.log_odds(small)[0, 0] > 0
    assert ratio.log_odds(large)[0, 0] < -1
    unseen = LikelihoodRatio(0.01, 10)
    unseen.update(np.where(inside > 0, large, small), inside, 0 * everywhere)
    assert np.abs(unseen.log_odds(small)).max() < 1e-6  # what has no weight says nothing


def test_values_are_counted_by_their_logarithm() -> None:
    ratio, rng = LikelihoodRatio(0.05, 8.0), np.random.default_rng(0)
    values = np.exp(rng.uniform(-4, 3, SIZE)).astype(np.float32)  # some beyond both ends
    mask, weight = rng.random((2, *SIZE)).astype(np.float32)
    weight[:40] = 0
    ratio.update(values, mask, weight)
    edges = np.exp(np.linspace(np.log(0.05), np.log(8.0), LikelihoodRatio.BINS + 1))
    edges[0], edges[-1] = 0, np.inf
    for counted, share in zip(ratio._counts, (1 - mask, mask), strict=True):
        expected = LikelihoodRatio.DECAY + np.histogram(values, edges, weights=share * weight)[0]
        np.testing.assert_allclose(counted, expected, rtol=0.01)


def test_the_camera_moves_pixels_as_its_homography_does() -> None:
    matrix = np.array([[1.02, 0.01, -3], [-0.02, 0.98, 2], [2e-4, -1e-4, 1]])
    grid = np.stack(np.meshgrid(np.arange(60.0), np.arange(40.0)), axis=-1)
    motion = np.empty(grid.shape, np.float32)
    _move(matrix, motion)
    expected = cv2.perspectiveTransform(grid.reshape(1, -1, 2), matrix).reshape(grid.shape) - grid
    np.testing.assert_allclose(motion, expected, atol=1e-4)


def test_a_background_plate_is_a_mean_of_what_was_uncovered() -> None:
    background, covered = Background(), np.zeros(SIZE, np.float32)
    covered[:, :40] = 1
    no_motion, plates = np.zeros((*SIZE, 2), np.float32), []
    for level, mask in ((0.2, covered), (0.4, 0 * covered), (0.8, covered)):
        colours = np.full((*SIZE, 3), level, np.float32)
        background.evidence(colours, no_motion, no_motion)
        background.observe(colours, mask)
        assert background._plate is not None
        plates.append((background._plate[50, 20, 0], background._plate[50, 100, 0]))
    assert np.array(plates[1:]) == pytest.approx(np.array([(0.4, 0.3), (0.4, 0.55)]))
    seen = background.evidence(np.full((*SIZE, 3), 0.9, np.float32), no_motion, no_motion).colour_residual
    assert seen is not None
    assert seen[50, 100] == pytest.approx(np.sqrt(3) * 0.35 + 0.01, abs=1e-4)


def test_background_speaks_against_what_moves_and_looks_like_it() -> None:
    frames, masks = ball_shot(6)
    background = Background()
    evidence = Evidence(np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32))
    for index, (frame, mask) in enumerate(zip(frames, masks, strict=True)):
        colours, mask = blur(appearance_features(frame)[..., :3].copy(), 1), mask.astype(np.float32)
        if not index:
            background.observe(colours, mask)
            continue
        flow = observe(frame, frames[index - 1]).flow
        evidence = background.evidence(colours, flow, camera_flow(flow, mask < 0.1))
        background.observe(colours, mask, evidence)
    ball, log_odds = masks[-1], evidence.log_odds
    unlike = evidence.unlike_log_odds
    assert unlike is not None
    away = ~cv2.dilate(ball.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)
    assert log_odds[away].mean() < MIN_LOG_ODDS - 0.5  # more than motion, or colour, may say alone
    assert log_odds[ball].mean() > 0
    assert unlike[ball].mean() > 1
    assert unlike[away].mean() < 0.05
    assert unlike.min() == 0
    assert background._motion_log_odds is not None
    assert background._motion_log_odds[away].mean() < 1.5 * evidence.motion_log_odds[away].mean() < 0  # it counts on
    # Without a camera there is nothing to compare with, and the plate is begun again.
    flow = np.zeros((*SIZE, 2), np.float32)
    assert not background.evidence(np.zeros((*SIZE, 3), np.float32), flow, None).log_odds.any()
    assert background.evidence(np.zeros((*SIZE, 3), np.float32), flow, flow).colour_residual is None


def test_a_classifier_tells_colours_and_its_copies_go_their_own_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cleanplate.track.classifier.STEPS", 60)
    frames, masks = ball_shot(3)
    features, mask = appearance_features(frames[0]), masks[0].astype(np.float32)
    drawn = samples(features, mask, np.random.default_rng(0), deformations=2)
    inverted = drawn[0], 1 - drawn[1]
    colours = np.ascontiguousarray(features[..., :3])

    def odds_of(one: Classifier, expected: np.ndarray, at: np.ndarray) -> np.ndarray:
        return one.log_odds(features.reshape(mask.size, -1)[at], expected, colours, at)

    with one_thread_each():
        classifier = Classifier([drawn], 0)
        expected, every = blur(mask, 3), np.arange(mask.size)
        odds, twin = odds_of(classifier, expected, every), classifier.copy()
        assert iou(odds > 0, masks[0].ravel()) > 0.9
        some = every[5::7]
        assert np.allclose(odds_of(classifier, expected, some), odds[5::7], atol=1e-4)
        assert np.array_equal(odds_of(twin, mask, every), odds_of(classifier, mask, every))
        for _ in range(3):
            twin.update(inverted)
        assert np.array_equal(odds_of(classifier, expected, every), odds)
        assert iou(odds_of(twin, expected, every) > 0, masks[0].ravel()) < 0.9  # it has learned
        for _ in range(3):
            classifier.update(inverted)
        again = odds_of(twin, mask, every)
        assert np.array_equal(odds_of(classifier, mask, every), again)  # from the same draws


class Untaught(Classifier):
    """Holds what is expected for the object, unless that is hidden, and counts how often it was to learn."""

    def __init__(self, *, hidden: bool = False) -> None:
        self.updates, self.hidden = 0, hidden

    def log_odds(self, features: np.ndarray, expected: np.ndarray, colours: np.ndarray, at: np.ndarray) -> np.ndarray:
        return np.where((expected.ravel()[at] > 0.5) & (not self.hidden), 4, -4).astype(np.float32)

    def update(self, new: Samples) -> None:
        self.updates += 1


class Alike(Looks):
    """Everything looks alike."""

    def __init__(self) -> None:
        pass

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        return np.zeros(len(features), np.float32)

    def learn_surroundings(self, features: np.ndarray, mask: np.ndarray) -> None:
        pass


class Bright(Alike):
    """What is bright looks like it, and nothing else."""

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        return np.where(features[:, 0] > 0, 3, -3).astype(np.float32)


def test_of_two_pieces_the_one_that_looks_like_it_is_kept() -> None:
    picture, large, small = np.full((*SIZE, 3), 128, np.uint8), np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    large[20:70, 10:60] = True  # its shadow, which was taken for a part of it
    small[30:60, 95:125] = True
    picture[large], picture[small] = 30, 220
    propagator, expected = Propagator(small.astype(np.float32), Untaught(), Bright(), 0), (large | small).astype("f4")
    nothing = np.zeros(SIZE, np.float32)
    found = propagator._classify(appearance_features(picture), expected, Evidence(nothing, nothing))
    assert iou(found > 0.5, small) > 0.8


def test_behind_a_cut_nothing_is_where_it_was() -> None:
    dark = np.full((*SIZE, 3), 30, np.uint8)
    mask, observation = ball_shot(1)[1][0].astype(np.float32), observe(dark, dark)
    found, _ = Propagator(mask, Untaught(), Bright(), 0).step(observation)
    assert iou(found > 0.5, mask > 0.5) > 0.8
    propagator = Propagator(mask, Untaught(), Bright(), 0)
    found, confidence = propagator.step(observation, is_cut=True)
    assert (found.max(), confidence) == (0, 0)
    bright = dark.copy()
    bright[30:70, 80:120] = 220
    found, confidence = propagator.step(observe(bright, dark))  # and it is sought in the whole picture
    assert (found[35:65, 85:115] > 0.5).mean() > 0.8
    assert not found[:, :60].any()


def test_a_step_asks_classifier_and_background_and_every_fourth_is_learned_from() -> None:
    frames, masks = ball_shot(1)
    mask, classifier = masks[0].astype(np.float32), Untaught()
    propagator, observation = Propagator(mask, classifier, Alike(), 0), observe(frames[0], frames[0])
    for _ in range(3):
        propagator.step(observation)
    assert classifier.updates == 0
    found, confidence = propagator.step(observation)
    assert classifier.updates == 1
    assert iou(found > 0.5, masks[0]) > 0.8
    assert 0.5 < confidence < 1
    nothing, against = np.zeros(SIZE, np.float32), np.full(SIZE, -8, np.float32)
    assert (propagator._classify(observation.features, mask, Evidence(nothing, nothing)) > 0.5).any()
    assert not (propagator._classify(observation.features, mask, Evidence(against, nothing)) > 0.5).any()


def test_what_has_leaked_is_left_and_edges_are_smoothed_where_the_picture_has_none() -> None:
    grey = np.full((*SIZE, 3), 128, np.uint8)
    mask = cv2.circle(np.zeros(SIZE, np.uint8), (40, 48), 20, (1,), -1).astype(np.float32)
    propagator, nothing = Propagator(mask, Untaught(), Alike(), 0), np.zeros(SIZE, np.float32)
    leaked = mask.copy()
    leaked[40:52, 85:97] = 1
    found = propagator._classify(appearance_features(grey), leaked, Evidence(nothing, nothing))
    assert iou(found > 0.5, mask > 0.5) > 0.9
    assert not found[:, 80:].any()
    assert ((found > 0.2) & (found < 0.8)).sum() > 200


def test_what_the_flow_left_behind_is_found_if_it_looks_like_the_object_and_unlike_the_background() -> None:
    picture = np.full((*SIZE, 3), 30, np.uint8)
    body, arm = np.zeros(SIZE, bool), np.zeros(SIZE, bool)
    body[30:70, 40:80], arm[44:56, 80:94] = True, True
    picture[body | arm] = 220
    nothing, unlike = np.zeros(SIZE, np.float32), np.zeros(SIZE, np.float32)
    unlike[30:70, 80:100] = 5  # the arm, and what is around it

    def found(evidence: Evidence) -> np.ndarray:
        propagator = Propagator(body.astype(np.float32), Untaught(), Bright(), 0)
        return propagator._classify(appearance_features(picture), body.astype(np.float32), evidence) > 0.5

    assert found(Evidence(nothing, nothing))[arm].mean() < 0.2
    mask = found(Evidence(nothing, nothing, unlike_log_odds=unlike))
    assert mask[arm].mean() > 0.9
    assert iou(mask, body | arm) > 0.9


def test_what_is_let_go_is_what_is_not_near_the_mask() -> None:
    mask = np.zeros(SIZE, np.float32)
    mask[20:60, 20:60] = 1
    assert let_go(mask, mask) == 0
    assert let_go(mask, np.roll(mask, 2, axis=1)) == 0  # its outline moved
    assert let_go(mask, 0 * mask) == 0
    assert let_go(0 * mask, mask) == 1
    wider = mask.copy()
    wider[20:60, 60:82] = 1
    assert let_go(mask, wider) == pytest.approx(20 / 62)  # but for 2 pixels
    assert let_go(wider, mask) == 0


def test_drift_adds_up_since_the_mark() -> None:
    frames, masks = ball_shot(1)
    mask, observation = masks[0].astype(np.float32), observe(frames[0], frames[0])
    steady, hidden = (Propagator(mask, Untaught(hidden=gone), Alike(), 0) for gone in (False, True))
    for propagator in (steady, hidden):
        propagator.step(observation)
        propagator.step(observation)
    assert steady.drift == 0
    assert hidden.drift == 1  # all of it, and then there was no more to let go
    steady.step(observation, is_cut=True)
    assert steady.drift == 1


def test_the_place_of_what_is_hidden_is_not_learned_as_background(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = ball_shot(1)
    propagator, learned = Propagator(masks[0].astype(np.float32), Untaught(hidden=True), Alike(), 0), []
    monkeypatch.setattr(propagator._background, "observe", lambda colours, mask, evidence: learned.append(mask))
    found, confidence = propagator.step(observe(frames[0], frames[0]))
    assert confidence == 0
    assert not (found > 0.5).any()
    assert iou(learned[0] > 0.5, masks[0]) > 0.9


def test_samples_are_drawn_at_the_outline_and_by_confidence() -> None:
    frames, masks = ball_shot(1)
    mask, rng = masks[0].astype(np.float32), np.random.default_rng(0)
    height, width = SIZE
    column = np.broadcast_to(np.arange(width, dtype=np.float32), SIZE)
    row = np.broadcast_to(np.arange(height, dtype=np.float32)[:, None], SIZE)
    features = np.dstack((appearance_features(frames[0]), column, row)).astype(np.float32)
    drawn, labels = samples(features, mask, rng, deformations=2)
    x, y = drawn[:, 19], drawn[:, 20]
    assert np.array_equal(labels, mask[y.astype(int), x.astype(int)])
    assert (np.abs(np.hypot(x - 30, y - 50) - 20) < 8).mean() > 0.6
    drawn, _ = samples(features, mask, rng, deformations=1, confidence=(column < 40).astype(np.float32))
    assert drawn[:, 19].max() < 40


def test_passes_cover_every_frame() -> None:
    full, marked = np.ones((2, 2), np.float32), [3, 8]
    passes = list(_passes(dict.fromkeys(marked, full), range(12)))
    met = {at: list(order)[1:] for at, order in passes if order.step > 0}
    back = {at: list(order)[1:] for at, order in passes if order.step < 0}
    assert met == {3: [4, 5, 6, 7], 8: [9, 10, 11]}
    assert back == {3: [2, 1, 0], 8: [7, 6, 5, 4]}


def test_between_two_marks_what_is_sure_and_near_counts_most(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, masks = ball_shot(5)
    monkeypatch.setattr("cleanplate.track.classifier.STEPS", 1)
    monkeypatch.setattr("cleanplate.track.looks.STEPS", 1)
    over_cuts: list[bool] = []
    confidence = {"forwards": 0.8, "backwards": 0.8}

    class Sure:
        """Forwards it is everywhere, backwards nowhere."""

        def __init__(self, mask: np.ndarray, *_: object) -> None:
            self._way = "forwards" if mask[50, 30] else "backwards"
            self.drift = 0.1 if mask[50, 30] else 0.3

        def step(self, observation: object, *, is_cut: bool) -> tuple[np.ndarray, float]:
            over_cuts.append(is_cut)
            return np.full(SIZE, self._way == "forwards", np.float32), confidence[self._way]

    monkeypatch.setattr("cleanplate.track.flow.Propagator", Sure)
    marked = {0: masks[0].astype(np.float32), 4: np.roll(masks[0], 60, axis=1).astype(np.float32)}
    passes, drifts = list(_passes(marked, range(5))), []

    def blended() -> tuple[list[int], list[float]]:
        probability, sure, drift = _propagate(frames, marked, passes, {0, 2}, 0, lambda: None)
        drifts.append([round(float(one), 2) for one in drift])
        return [int(probability[index, 50, 70]) for index in (1, 2, 3)], [round(float(one), 2) for one in sure]

    assert blended() == ([191, 128, 64], [1, 0.8, 0.8, 0.8, 1])
    assert drifts == [[0, 0.15, 0.2, 0.25, 0]]
    # From 0 on to 3, and from 4 back to 1; a shot begins with frame 2.
    assert over_cuts == [False, True, False, False, False, True]
    confidence["backwards"] = 0.0
    near, sure = blended()
    assert min(near) > 240
    assert sure[2] == pytest.approx(0.79, abs=0.01)
    confidence.update(forwards=0.0)
    assert blended() == ([191, 128, 64], [1, 0, 0, 0, 1])


def test_passes_end_at_empty_marks_and_at_cuts() -> None:
    full = np.ones((2, 2), np.float32)
    masks = {3: full, 6: 0 * full, 8: full, 14: full}
    met = [
        (at, list(order)[1:])
        for shot in (range(10), range(10, 12), range(12, 16))
        for at, order in _passes(masks, shot)
    ]
    assert met == [(3, [4, 5]), (3, [2, 1, 0]), (8, [9]), (8, [7]), (14, [15]), (14, [13, 12])]


def test_confidence_of_a_step() -> None:
    mask = np.zeros((10, 10), np.float32)
    mask[2:6, 2:6] = 1
    assert step_confidence(mask, mask) == 1
    assert step_confidence(mask, np.roll(mask, 2, axis=1)) == pytest.approx(1 / 3)
    assert step_confidence(np.full((10, 10), 0.6, np.float32), np.ones((10, 10), np.float32)) == pytest.approx(
        1 / 3, abs=1e-4
    )
    assert step_confidence(0 * mask, mask) == 0


def test_what_has_torn_off_is_left_behind() -> None:
    mask = np.zeros((40, 80), np.float32)
    mask[10:30, 10:30] = mask[10:30, 34:38] = mask[5:38, 60:78] = 1
    expected = np.zeros_like(mask)
    expected[10:30, 8:38] = 1
    kept = main_components(mask, expected, 1, gap_px=8)
    assert kept[20, 20]
    assert kept[20, 36]  # close by
    assert not kept[20, 70]  # larger, but not where the thing is expected
    assert count_components(mask > 0.5) == 3
    # All of it if the object has as many components.
    assert main_components(mask, np.ones_like(mask), 3, gap_px=1)[20, 70]


def test_specks_are_no_components() -> None:
    mask = np.zeros((40, 40), bool)
    assert count_components(mask) == 1
    mask[5:25, 5:25] = mask[30:38, 30:38] = True
    mask[2, 35] = True
    assert count_components(mask) == 2


# Fields


def test_blur_is_gaussian_wide_and_narrow() -> None:
    field = np.random.default_rng(0).random((60, 90)).astype(np.float32)
    wide = cv2.GaussianBlur(field, (0, 0), 9, borderType=cv2.BORDER_REFLECT)
    assert np.abs(blur(field, 9) - wide).max() < 0.05
    assert np.abs(blur(field, 2) - cv2.GaussianBlur(field, (0, 0), 2, borderType=cv2.BORDER_REFLECT)).max() == 0
    many = np.dstack([field * scale for scale in range(6)])
    assert np.allclose(blur(many, 5), np.dstack([blur(field * scale, 5) for scale in range(6)]), atol=1e-6)


def test_a_warp_by_whole_pixels_is_a_roll() -> None:
    field = np.random.default_rng(0).random((20, 30)).astype(np.float32)
    flow = np.full((20, 30, 2), (4, -2), np.float32)
    assert np.array_equal(warp(field, flow)[2:, :-4], np.roll(field, (2, -4), (0, 1))[2:, :-4])
    assert np.array_equal(warp(field, flow)[2:, -1], field[:-2, -1])
    assert not warp(field, flow, cv2.BORDER_CONSTANT)[:, -4:].any()


def test_the_guided_filter_smooths_but_not_over_edges() -> None:
    field = np.random.default_rng(0).random((60, 90)).astype(np.float32)
    flat = np.full_like(field, 0.3)
    assert np.allclose(guided_filter(field, flat), flat, atol=1e-5)
    edge = (np.arange(90) >= 45).astype(np.float32) * np.ones((60, 1), np.float32)
    assert np.abs(guided_filter(edge, edge) - edge).max() < 0.02  # not blurred over the edge
    assert guided_filter(flat, field).std() < 0.2 * field.std()


def test_a_few_pixels_answer_for_their_neighbours() -> None:
    dense, where = np.zeros((9, 12), bool), np.ones((9, 12), bool)
    dense[1, 1] = True
    where[:, 8:] = False
    asked = sparse(where, dense, 4)
    assert np.argwhere(asked).tolist() == [[0, 0], [0, 4], [1, 1], [4, 0], [4, 4], [8, 0], [8, 4]]
    field = np.arange(108, dtype=np.float32).reshape(9, 12)
    filled = filled_up(field, dense, 4)
    assert filled.shape == field.shape
    assert [filled[at] for at in ((1, 1), (1, 0), (0, 1), (3, 5), (8, 11))] == [13, 0, 0, 4, 104]


def test_appearance_is_colour_and_what_is_around_it() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    features = appearance_features(picture)
    lab = (cv2.cvtColor(picture, cv2.COLOR_RGB2Lab).astype(np.float64) - 127.5) / 127.5 * (1, 3, 3)
    for first, sigma_px in ((3, 2), (9, 5)):
        mean, squares = (blur(field.astype(np.float32), sigma_px) for field in (lab, lab**2))
        np.testing.assert_allclose(features[..., first : first + 3], mean, atol=1e-4)
        deviation = 2 * np.sqrt(np.maximum(squares - mean**2, 0))
        np.testing.assert_allclose(features[..., first + 3 : first + 6], deviation, atol=1e-3)
    np.testing.assert_allclose(features[..., :3], lab, atol=1e-5)
    dx, dy = (cv2.Sobel(lab[..., 0].astype(np.float32), cv2.CV_32F, *way) for way in ((1, 0), (0, 1)))
    both = np.sqrt(np.maximum(dx * dy, 0)), np.sqrt(np.maximum(-dx * dy, 0))
    oriented = blur(np.stack((abs(dx), abs(dy), *both), axis=-1), 3)
    np.testing.assert_allclose(features[..., 15:], oriented, atol=1e-4)


@pytest.mark.parametrize("side", [6, 40])
def test_a_colour_is_likely_where_the_object_has_it_near(side: int) -> None:
    """Against sums over all pixels with a Gaussian's weights; cells of a wide one come close to it."""
    rng = np.random.default_rng(0)
    colours, mask = rng.normal(0, 0.2, (90, 120, 3)).astype(np.float32), np.zeros((90, 120), np.float32)
    mask[20 : 20 + side, 30 : 30 + side] = rng.random((side, side))
    colours[mask > 0.3] += 0.4
    sigma_px = 0.2 * max(8, np.sqrt(mask.sum()))
    at = rng.choice(mask.size, 200, replace=False)
    found = mask_features(mask, colours, at)[:, -1]
    rows, columns = np.indices(mask.shape)
    inside = 0
    for told, place in zip(found, at, strict=True):
        y, x = divmod(int(place), 120)
        near = np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * sigma_px**2)) / (2 * np.pi * sigma_px**2)
        distances = []
        for share in (mask, 1 - mask):
            weight = (near * share).sum() + 1e-3
            mean = np.einsum("ij,ijc->c", near * share, colours) / weight
            variance = np.maximum(np.einsum("ij,ijc->c", near * share, colours**2) / weight - mean**2, 0) + 3e-3
            distances.append(((colours[y, x] - mean) ** 2 / variance + np.log(variance)).sum())
        if 3 * sigma_px < min(y, x, 89 - y, 119 - x):  # borders are repeated
            assert told == pytest.approx(np.tanh((distances[1] - distances[0]) / 8), abs=0.15)
            inside += 1
    assert inside > 20


def test_the_window_around_a_mask() -> None:
    mask = np.zeros(SIZE, np.float32)
    assert bounding_window(mask, 0.5, 3) is None
    mask[10:20, 50:70] = 1
    mask[40, 40] = 0.4
    assert bounding_window(mask, 0.5, 3) == (slice(7, 23), slice(47, 73))
    assert bounding_window(mask, 0.3, 20) == (slice(0, 61), slice(20, 90))


def test_a_mask_is_deformed_more_or_less() -> None:
    rng = np.random.default_rng(0)
    disc = np.zeros((60, 90), np.float32)
    cv2.circle(disc, (45, 30), 15, (1.0,), -1)
    assert centroid(disc) == pytest.approx([45, 30], abs=0.1)
    overlaps = [iou(deform(disc, rng) > 0.5, disc > 0.5) for _ in range(20)]
    assert 0.4 < np.mean(overlaps) < 0.95
    assert np.std(overlaps) > 0.05


@pytest.mark.parametrize("size", [(91, 119), (3, 2), (1, 40), (40, 1), (1, 1)])
@pytest.mark.parametrize("side", [1, 4, 7])
def test_cells_at_the_borders_are_of_fewer_pixels(size: tuple[int, int], side: int) -> None:
    """The loops as Python runs them, which refuses places beyond an end; every cell is a mean of its pixels."""
    rng = np.random.default_rng(0)
    mask, colours = rng.random(size, np.float32), rng.random((*size, 3), np.float32)
    powers = np.zeros((-(-size[0] // side), -(-size[1] // side), 2 * N_POWERS), np.float32)
    features_module._sum_powers.py_func(mask, colours, side, powers)  # type: ignore[attr-defined]
    for row, column in ((0, 0), (powers.shape[0] - 1, powers.shape[1] - 1)):
        cell = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        for kind, share in enumerate((mask[cell][..., None], 1 - mask[cell][..., None])):
            means = [(share * colours[cell] ** power).mean((0, 1)) for power in (1, 2)]
            expected = np.concatenate(([share.mean()], *means))
            np.testing.assert_allclose(
                powers[row, column, kind * N_POWERS :][:N_POWERS], expected, rtol=1e-3, atol=1e-5
            )
    at = np.unique(np.linspace(0, mask.size - 1, 50).astype(int))
    for some in (at, at[:0]):
        plain, fast = np.empty(len(some), np.float32), np.empty(len(some), np.float32)
        features_module._compare.py_func(powers, colours, side, some, plain)  # type: ignore[attr-defined]
        features_module._compare(powers, colours, side, some, fast)
        assert np.isfinite(plain).all()
        np.testing.assert_allclose(fast, plain, atol=1e-4)


def test_a_picture_of_a_single_pixel_has_features() -> None:
    assert np.isfinite(appearance_features(np.full((1, 1, 3), 7, np.uint8))).all()
