import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from cleanplate import InputError, cli, write_video
from cleanplate.data import write as dataset
from cleanplate.data.compose import compose, each_composed, fit_object, read_composed, resized
from cleanplate.data.pairs import identified, length_of, read_pairs, sha256_of_clip
from cleanplate.data.write import recipes
from cleanplate.video.masks import grow
from cleanplate.video.reader import read_frames, read_masks
from cleanplate.video.writer import write_grey
from tests.conftest import refused

RNG = np.random.default_rng(0)
GROUND, THINGS = (RNG.integers(0, 256, (3, 40, 60, 3), dtype=np.uint8) for _ in range(2))
MASK = np.zeros((3, 40, 60), bool)
MASK[:, 10:20, 15:30] = True


def test_the_object_is_where_its_mask_is_and_the_hole_is_the_mask_grown() -> None:
    made = compose(GROUND, THINGS, MASK, dilate_px=3)
    frames, truth = ((part.permute(0, 2, 3, 1) * 255).round().byte().numpy() for part in (made.clip.frames, made.truth))
    assert np.array_equal(frames[MASK], THINGS[MASK])
    assert np.array_equal(frames[~MASK], GROUND[~MASK])
    assert np.array_equal(truth, GROUND)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (7, 7))
    assert np.array_equal(made.clip.hole[1, 0].numpy(), cv2.dilate(MASK[1].astype(np.uint8), disc) > 0)
    assert np.array_equal(made.mask[:, 0].numpy(), MASK)


def test_recipes_of_a_list_are_composed_when_they_are_read(shots: Path) -> None:
    first, second = each_composed(shots)
    assert (first.name, second.name) == ("empty-a+ball-b", "empty-b+ball-a")
    ground, _ = read_frames(shots / "davis/frames/empty-a")
    assert np.array_equal((first.truth.permute(0, 2, 3, 1) * 255).round().byte().numpy(), ground[:, 8:56])
    levels = read_masks(shots / "davis/masks/ball-b")
    assert np.array_equal(first.mask[:, 0].numpy(), levels[:, 8:56] > 127)  # the object is cropped to the centre


def test_halving_keeps_means_and_hides_what_was_hidden_anywhere(shots: Path) -> None:
    whole = next(each_composed(shots))
    half = resized(whole, (24, 48), 5)
    assert half.truth.shape == (5, 3, 24, 48)
    by_hand = whole.truth[:5].unflatten(3, (48, 2)).unflatten(2, (24, 2)).mean((3, 5))
    assert torch.allclose(half.truth, by_hand, atol=1e-6)
    assert torch.equal(half.clip.hole, whole.clip.hole[:5].unflatten(3, (48, 2)).unflatten(2, (24, 2)).any(5).any(3))


def test_another_shape_is_cropped_to_its_middle_and_not_squeezed(shots: Path) -> None:
    whole = next(each_composed(shots))  # 96x48
    square, flat = resized(whole, (24, 24), 3), resized(whole, (12, 48), 3)
    middle = whole.truth[:3, :, :, 24:72].unflatten(3, (24, 2)).unflatten(2, (24, 2)).mean((3, 5))
    assert torch.allclose(square.truth, middle, atol=1e-6)
    middle = whole.truth[:3, :, 12:36].unflatten(3, (48, 2)).unflatten(2, (12, 2)).mean((3, 5))
    assert torch.allclose(flat.truth, middle, atol=1e-6)
    hidden = whole.clip.hole[:3, :, 12:36].unflatten(3, (48, 2)).unflatten(2, (12, 2)).any(5).any(3)
    assert torch.equal(flat.clip.hole, hidden)


def test_a_clip_is_not_enlarged_and_one_with_nothing_hidden_is_named(shots: Path) -> None:
    whole = next(each_composed(shots))
    for size in ((49, 96), (48, 97), (96, 192)):
        with pytest.raises(InputError, match=rf"empty-a\+ball-b is 96x48; {size[1]}x{size[0]} at least is needed"):
            resized(whole, size, 5)
    whole.clip.hole[:5] = False
    assert resized(whole, (24, 48), 6).clip.hole.any()
    with pytest.raises(InputError, match=r"nothing is hidden in the first 5 frames of empty-a\+ball-b; what is"):
        resized(whole, (24, 48), 5)


def test_what_is_written_is_read_again_and_hashes_are_those_of_sha256(shots: Path, tmp_path: Path) -> None:
    ground, ball = (shots / "davis/frames" / name for name in ("empty-a", "ball-b"))
    words = f"compose {ground} {ball} {shots / 'davis/masks/ball-b'} -o {tmp_path / 'out'} --frames 6 --dilate-px 2"
    assert cli.run(words.split()) == 0
    (pair,) = read_pairs(tmp_path / "out")
    made = read_composed(tmp_path / "out", pair | {"fps": 12.0})
    assert made.clip.fps == 12
    truth, things = (read_frames(path, frames=6)[0] for path in (ground, ball))
    expected = compose(truth, things, read_masks(shots / "davis/masks/ball-b", frames=6) > 127, dilate_px=2)
    assert torch.equal(made.clip.frames, expected.clip.frames)
    assert torch.equal(made.clip.hole, expected.clip.hole)
    assert torch.equal(made.truth, expected.truth)
    lines = [
        f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n"
        for file in sorted((tmp_path / "out" / pair["truth"]).iterdir())
    ]
    assert pair["sha256"]["outputs"][pair["truth"]] == hashlib.sha256("".join(lines).encode()).hexdigest()
    assert pair["sha256"]["inputs"]["background"] == {"name": "empty-a", "sha256": sha256_of_clip(ground)}

    first = next((tmp_path / "out" / pair["truth"]).iterdir())
    shutil.copy(next((tmp_path / "out" / pair["frames"]).iterdir()), first)
    with pytest.raises(InputError, match="has changed since it was composed"):
        read_composed(tmp_path / "out", pair)


def test_clips_are_added_to_a_folder_and_none_is_replaced_unasked(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames, masks = shots / "davis/frames", shots / "davis/masks"
    words = f"compose {frames / 'empty-a'} {frames / 'ball-b'} {masks / 'ball-b'} -o {tmp_path} --size 24 48"
    assert cli.run(words.split()) == cli.run(f"{words} --name second --start 2".split()) == 0
    assert cli.run(words.split()) == 2
    assert "already there" in capsys.readouterr().err
    assert cli.run(f"{words} --overwrite".split()) == 0
    first, second = sorted(each_composed(tmp_path), key=lambda composed: len(composed.truth), reverse=True)
    assert (first.name, second.name) == ("empty-a+ball-b", "second")
    assert torch.equal(second.truth, first.truth[2:])


def test_the_papers_dataset(shots: Path, tmp_path: Path) -> None:
    assert cli.run(f"compose {shots} -o {tmp_path / 'all'} --masks-per-background 2 --frames 4 --seed 3".split()) == 0
    made = {composed.name: composed for composed in each_composed(tmp_path / "all")}
    assert sorted(made) == ["empty-a+ball-a", "empty-a+ball-b", "empty-b+ball-a", "empty-b+ball-b"]
    assert {composed.truth.shape for composed in made.values()} == {(4, 3, 48, 96)}
    drawn = [recipes(shots, masks_per_background=1, count=4, seed=seed) for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({json.dumps(pairs) for pairs in drawn}) > 2
    assert all(0 <= pair["background"]["start"] <= 4 for pairs in drawn for pair in pairs)
    for seed in range(5):  # all masks of a background are put over one segment of it
        pairs = recipes(shots, masks_per_background=2, count=4, seed=seed)
        segments = {json.dumps(pair["background"]) for pair in pairs}
        assert len(segments) == len({pair["background"]["source"] for pair in pairs}) == 2
        assert len(pairs) == 4


def test_without_a_list_every_shot_is_a_background_but_not_of_its_own_object(shots: Path, tmp_path: Path) -> None:
    shutil.copytree(shots / "davis", tmp_path / "davis")
    pairs = recipes(tmp_path, masks_per_background=1, count=8)
    assert len(pairs) == 4
    assert next(pair["object"] for pair in pairs if pair["background"]["source"].endswith("ball-a")) == "ball-b"
    assert len(list(read_composed(tmp_path, pairs[0]).truth)) == 8
    with pytest.raises(InputError, match="has 1 objects for ball-a"):
        recipes(tmp_path, masks_per_background=2)


def test_a_folder_with_a_dot_in_its_name_is_a_shot_of_its_own(shots: Path, tmp_path: Path) -> None:
    for part in ("frames", "masks"):
        for old, new in (("ball-a", "ball.v1"), ("ball-b", "ball.v2")):
            shutil.copytree(shots / f"davis/{part}/{old}", tmp_path / f"davis/{part}/{new}")
    pairs = {pair["name"]: pair for pair in recipes(tmp_path, masks_per_background=1)}
    assert {name: pair["object"] for name, pair in pairs.items()} == {
        "ball-v1+ball-v2": "ball.v2",
        "ball-v2+ball-v1": "ball.v1",
    }
    frames = tmp_path / "davis/frames"
    words = f"compose {frames / 'ball.v1'} {frames / 'ball.v2'} {tmp_path / 'davis/masks/ball.v2'} -o {tmp_path}/made"
    assert cli.run(words.split()) == 0
    assert [pair["name"] for pair in read_pairs(tmp_path / "made")] == ["ball-v1+ball-v2"]


def test_frames_are_counted_without_being_held(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(shots / "davis", tmp_path / "davis")
    (tmp_path / "clips").mkdir()
    write_video(tmp_path / "clips/long.mkv", read_composed(shots, read_pairs(shots)[0]).truth)
    for name in ("upright_rgb", "read_image"):
        monkeypatch.setattr(f"cleanplate.video.reader.{name}", lambda *_: pytest.fail("a picture is made"))
    counts = {
        pair["background"]["source"]: pair["background"]["count"]
        for pair in recipes(tmp_path, count=6, masks_per_background=1)
    }
    assert counts == {
        **{f"davis/frames/{name}": 6 for name in ("ball-a", "ball-b", "empty-a", "empty-b")},
        "clips/long.mkv": 6,
    }
    assert length_of(tmp_path, {"truth": "", "frames": "clips/long.mkv"}) == 8
    (tmp_path / "clips/empty.y4m").write_bytes(b"YUV4MPEG2 W64 H48 F24:1 C420\n")
    with pytest.raises(InputError, match=r"empty\.y4m has no frames"):
        recipes(tmp_path, masks_per_background=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"background": {"source": "davis/frames/empty-a", "start": 4, "count": 8}}, "has 4 of 8 frames"),
        ({"background": {"source": "davis/frames/none", "start": 0, "count": 8}}, "there is no file"),
        (
            {"background": {"source": "davis/frames/empty-a", "start": 0, "count": 8, "window": [40, 0, 48, 96]}},
            "leaves the frame of 96x64",
        ),
        ({"object": "none"}, "there is no file"),
        ({"dilate_px": 10**9}, "dilate_px is 1000000000"),
    ],
)
def test_a_recipe_that_cannot_be_made(shots: Path, change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_composed(shots, read_pairs(shots)[0] | change)


ODD = [None, -1, 1.5, "x", "", [], {}, True, [1, 2], [0, 0], 10**30, "../x", "a\0b", float("nan"), ["a"] * 4]


def test_whatever_a_pair_has_in_it_ends_in_a_clip_or_in_one_line(shots: Path, tmp_path: Path) -> None:
    """Every field of a recipe and of a ready pair, replaced by odd things or left out."""
    data = tmp_path / "data"
    shutil.copytree(shots, data)
    words = (
        f"compose {data}/davis/frames/empty-a {data}/davis/frames/ball-b {data}/davis/masks/ball-b -o {tmp_path}/made"
    )
    assert cli.run(words.split()) == 0
    shutil.copytree(tmp_path / "made/davis", data / "davis", dirs_exist_ok=True)
    recipe, ready = read_pairs(data)[0], read_pairs(tmp_path / "made")[0]
    tried = 0
    for pair in (recipe | {"dilate_px": 2}, ready):
        for path in [(key,) for key in pair] + [("background", key) for key in pair.get("background", ())]:
            for odd in [*ODD, KeyError]:
                changed = json.loads(json.dumps(pair))
                inner = changed[path[0]] if len(path) > 1 else changed
                inner.pop(path[-1]) if odd is KeyError else inner.update({path[-1]: odd})
                (data / "composed.json").write_text(json.dumps({"pairs": [changed]}))
                tried += 1
                said = ""
                try:
                    for read in read_pairs(data):
                        assert length_of(data, read) > 0
                        assert len(identified(data, read)["files"]) == 3
                        assert read_composed(data, read).truth.ndim == 4
                except InputError as error:
                    said = str(error)
                assert "\n" not in said
    assert tried == 16 * (4 + 4 + len(ready))


def test_two_pairs_of_one_name(shots: Path, tmp_path: Path) -> None:
    pairs = read_pairs(shots)
    (tmp_path / "composed.json").write_text(json.dumps({"pairs": [pairs[0], pairs[0]]}))
    with pytest.raises(InputError, match=r"two pairs empty-a\+ball-b"):
        read_pairs(tmp_path)


def test_the_dataset_is_cut_to_its_size_before_it_is_composed(shots: Path, tmp_path: Path) -> None:
    words = f"compose {shots} -o {tmp_path / 'all'} --masks-per-background 1 --frames 3 --size 40 40"
    assert cli.run(words.split()) == 0
    for composed in each_composed(tmp_path / "all"):
        hole = torch.from_numpy(np.stack([grow(one, 4) for one in composed.mask[:, 0].numpy()])).unsqueeze(1)
        assert composed.truth.shape == (3, 3, 40, 40)
        assert torch.equal(composed.clip.hole, hole)
    written = sorted(path.name for path in (tmp_path / "all/davis/truth").iterdir())
    shutil.rmtree(tmp_path / "all/davis/truth" / written[0])
    before = (tmp_path / "all/composed.json").read_bytes()
    assert cli.run(words.split()) == 2  # what is there is found before anything is written
    assert (tmp_path / "all/composed.json").read_bytes() == before
    assert not (tmp_path / "all/davis/truth" / written[0]).exists()


def test_segments_of_one_shot_have_names_of_their_own(shots: Path, tmp_path: Path) -> None:
    shutil.copytree(shots / "davis", tmp_path / "davis")
    pair = read_pairs(shots)[0]
    later = pair | {"name": "later", "background": {**pair["background"], "start": 2, "count": 6}}
    (tmp_path / "composed.json").write_text(json.dumps({"pairs": [pair, later]}))
    names = [pair["name"] for pair in recipes(tmp_path, masks_per_background=2)]
    assert len(set(names)) == 4


def test_a_clip_is_not_written_over_what_it_is_made_of(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shots / "davis", tmp_path / "davis")
    before = sha256_of_clip(tmp_path / "davis/frames/ball-b")
    frames, masks = tmp_path / "davis/frames", tmp_path / "davis/masks"
    words = (
        f"compose {frames / 'empty-a'} {frames / 'ball-b'} {masks / 'ball-b'} -o {tmp_path} --name ball-b --overwrite"
    )
    refused(words, "is also the input", capsys)
    assert sha256_of_clip(tmp_path / "davis/frames/ball-b") == before


def test_what_is_in_a_folder_that_is_replaced_is_an_input_too(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shots / "davis", tmp_path / "davis")
    frames, masks = tmp_path / "davis/frames", tmp_path / "davis/masks"
    one = f"{frames / 'ball-b/00003.png'} {masks / 'ball-b/00003.png'}"
    refused(f"compose {frames / 'empty-a'} {one} -o {tmp_path} --name ball-b --overwrite", "is also the input", capsys)
    assert len(list((frames / "ball-b").iterdir())) == 8


def test_a_shot_that_clips_are_made_of_is_not_replaced(
    shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(shots, tmp_path, dirs_exist_ok=True)
    before = sha256_of_clip(tmp_path / "davis/frames/ball-a")
    frames, masks = shots / "davis/frames", shots / "davis/masks"
    words = f"compose {frames / 'empty-a'} {frames / 'ball-b'} {masks / 'ball-b'} -o {tmp_path} --overwrite --name"
    refused(f"{words} ball-a", "has a shot ball-a", capsys)
    assert sha256_of_clip(tmp_path / "davis/frames/ball-a") == before
    assert cli.run([*words.split(), "new"]) == cli.run([*words.split(), "new"]) == 0  # a clip is


def test_clips_that_were_made_are_no_shots_to_make_others_of(shots: Path, tmp_path: Path) -> None:
    shutil.copytree(shots, tmp_path, dirs_exist_ok=True)
    before = recipes(tmp_path, masks_per_background=2)
    frames, masks = shots / "davis/frames", shots / "davis/masks"
    words = f"compose {frames / 'empty-a'} {frames / 'ball-b'} {masks / 'ball-b'} -o {tmp_path} --name made"
    assert cli.run(words.split()) == 0
    assert recipes(tmp_path, masks_per_background=2) == before
    with pytest.raises(InputError, match="has 2 objects"):
        recipes(tmp_path, masks_per_background=3)
    document = json.loads((tmp_path / "composed.json").read_text())
    document["pairs"] = document["pairs"][2:]  # without recipes every shot is a background
    (tmp_path / "composed.json").write_text(json.dumps(document))
    sources = {pair["background"]["source"] for pair in recipes(tmp_path, masks_per_background=1)}
    assert sources == {f"davis/frames/{name}" for name in ("ball-a", "ball-b", "empty-a", "empty-b")}


def test_a_list_keeps_what_others_write_into_it(shots: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program adds a clip while this one writes its frames; a list may say more than its pairs."""
    frames, masks = shots / "davis/frames", shots / "davis/masks"
    three = (frames / "empty-a", frames / "ball-b", masks / "ball-b")
    write = dataset.write_grey

    def meanwhile(*args: Any, **options: Any) -> None:
        monkeypatch.setattr(dataset, "write_grey", write)
        dataset.compose_files(*three, tmp_path, name="theirs")
        document = json.loads((tmp_path / "composed.json").read_text())
        (tmp_path / "composed.json").write_text(json.dumps({"about": "mine", **document}))
        write(*args, **options)

    monkeypatch.setattr(dataset, "write_grey", meanwhile)
    dataset.compose_files(*three, tmp_path, name="ours")
    assert [pair["name"] for pair in read_pairs(tmp_path)] == ["theirs", "ours"]
    assert json.loads((tmp_path / "composed.json").read_text())["about"] == "mine"


def test_a_folder_in_the_place_of_the_list(shots: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "composed.json/mine").mkdir(parents=True)
    frames, masks = shots / "davis/frames", shots / "davis/masks"
    words = f"compose {frames / 'empty-a'} {frames / 'ball-b'} {masks / 'ball-b'} -o {tmp_path}"
    refused(words, "there is no file", capsys)
    assert (tmp_path / "composed.json/mine").is_dir()


def test_a_ready_pair_may_be_of_videos(shots: Path, tmp_path: Path) -> None:
    pair = read_pairs(shots)[0]
    composed = read_composed(shots, pair)
    for part, of in (("frames", composed.clip.frames), ("truth", composed.truth)):
        write_video(tmp_path / f"{part}.mkv", of)
    write_grey(tmp_path / "masks.mkv", composed.mask)
    ready = {"name": "a", "fps": 24, **{part: f"{part}.mkv" for part in ("frames", "masks", "truth")}}
    assert length_of(tmp_path, ready) == length_of(shots, pair) == 8
    assert torch.equal(read_composed(tmp_path, ready).truth, composed.truth)


@pytest.mark.parametrize("pattern", ["%05d.png", "#####.png"])
def test_a_pattern_is_a_mask_of_every_frame(pattern: str, shots: Path, tmp_path: Path) -> None:
    shot, thing, masks = (shots / "davis" / name for name in ("frames/empty-a", "frames/ball-b", "masks/ball-b"))
    for name, files in (
        ("of folders", (shot, thing, masks)),
        ("of patterns", (shot, thing / pattern, masks / pattern)),
    ):
        dataset.compose_files(*files, tmp_path, name=name.replace(" ", "-"))
    one, other = each_composed(tmp_path)
    assert torch.equal(one.clip.hole, other.clip.hole)
    assert torch.equal(one.clip.frames, other.clip.frames)


def test_a_folder_named_like_an_image(tmp_path: Path) -> None:
    (tmp_path / "shot/a.png").mkdir(parents=True)
    with pytest.raises(InputError, match="has no images"):
        read_frames(tmp_path / "shot")


def test_sizes_that_disagree() -> None:
    with pytest.raises(InputError, match="the object is 3 frames of 58x40"):
        compose(GROUND, THINGS[:, :, :58], MASK)
    with pytest.raises(InputError, match="3 frames of 60x40 and 2 masks of 60x40"):
        fit_object(THINGS, np.zeros((2, 40, 60), np.uint8), (20, 30), "thing")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "is not a list of pairs"),
        ('{"pairs": [{}]}', "a pair named None"),
        ('{"pairs": 3}', "is not a list of pairs"),
        ("[]", "is not a list of pairs"),
        ('{"pairs": []}', "has no pairs"),
        ('{"pairs": [{"name": "../a"}]}', r"a pair named '../a'"),
        ('{"pairs": [{"name": "a", "object": "b"}]}', "background of a is None"),
        (None, "there is no file"),
    ],
)
def test_a_list_that_is_none(tmp_path: Path, content: str | None, said: str) -> None:
    if content is not None:
        (tmp_path / "composed.json").write_text(content)
    with pytest.raises(InputError, match=said):
        read_pairs(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("compose nowhere -o out", "there is no folder nowhere"),
        ("compose {shots}/davis/frames/empty-a {shots}/davis/frames/ball-a -o out", "has no OBJECT_MASK"),
        ("compose {three} -o out --frames 0", "--frames 0"),
        ("compose {three} -o out --name ../x", "the name is '../x'"),
        ("compose {three} -o out --name x.mp4", "the name is 'x.mp4'"),
        ("compose {three} -o out --name " + "x" * 300, "the name is"),
        ("compose {three} -o out --size 0 0", "the size is 0x0"),
        ("compose {three} -o out --size 9 100000", "the size is 9x100000"),
        ("compose {three} -o out --frames " + "9" * 30, "less than 2^31"),
        ("compose {shots} -o out --size -1 5 --masks-per-background 1", "the size is -1x5"),
        ("compose {shots} -o out --name x", "--name and --start are of one clip"),
        ("compose {shots}/davis/frames/none {shots}/davis/frames/ball-a {shots}/davis/masks/ball-a -o out", "no file"),
    ],
)
def test_bad_words_are_one_line_and_write_nothing(
    words: str,
    said: str,
    shots: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    three = f"{shots}/davis/frames/empty-a {shots}/davis/frames/ball-a {shots}/davis/masks/ball-a"
    refused(words.format(shots=shots, three=three), said, capsys)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.data
def test_the_pairs_of_real_shots(data: Path) -> None:
    pair = read_pairs(data)[3]
    composed = read_composed(data, pair | {"background": {**pair["background"], "count": 3}})
    assert composed.truth.shape == (3, 3, 192, 384)
    assert 0.05 < float(composed.clip.hole.float().mean()) < 0.3
