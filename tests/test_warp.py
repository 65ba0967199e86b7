import cv2
import numpy as np
import torch

from cleanplate.imaging.warp import consistent, inside, round_trip_error, warp
from tests.conftest import panning, texture


def constant_flow(dx: float, dy: float, n: int = 1, size: tuple[int, int] = (40, 50)) -> torch.Tensor:
    return torch.tensor([dx, dy], dtype=torch.float32).view(1, 2, 1, 1).expand(n, 2, *size).contiguous()


def test_whole_pixel_flow_is_a_roll() -> None:
    frames = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(0))
    warped = warp(frames, constant_flow(4, -3))
    torch.testing.assert_close(warped[..., 3:, :-4], frames[..., :-3, 4:], atol=1e-5, rtol=0)


def test_warp_of_the_neighbour_looks_like_the_frame() -> None:
    frames = panning(2, (40, 50), step=(3, 2))
    # The texture moves left and up by (3, 2): what is at x in frame 0 is at x - (3, 2) in frame 1.
    warped = warp(frames[1:], constant_flow(-3, -2))
    torch.testing.assert_close(warped[..., 2:, 3:], frames[:1, :, 2:, 3:], atol=1e-4, rtol=0)


def test_warp_agrees_with_opencv() -> None:
    rng = np.random.default_rng(0)
    picture = texture(40, 50)
    flow = cv2.GaussianBlur(rng.standard_normal((40, 50, 2)).astype(np.float32), (0, 0), 4) * 40
    y, x = np.mgrid[:40, :50].astype(np.float32)
    theirs = cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    ours = warp(torch.from_numpy(picture).permute(2, 0, 1)[None], torch.from_numpy(flow).permute(2, 0, 1)[None])
    # OpenCV rounds positions to 1/32 pixel.
    np.testing.assert_allclose(ours[0].permute(1, 2, 0).numpy(), theirs, atol=0.03)


def test_round_trip_of_opposite_flows_is_nothing_and_the_threshold_is_where_eq_4_has_it() -> None:
    there = constant_flow(3, 1)
    assert float(round_trip_error(there, -there).max()) < 1e-5
    assert bool(consistent(there, -there)[..., :-1, :-3].all())
    # exp(-d^2 / 2) > 0.5 is d < 1.1774
    still = constant_flow(0, 0)
    assert bool(consistent(still, constant_flow(1.17, 0)).all())
    assert not bool(consistent(still, constant_flow(1.19, 0)).any())


def test_inside_is_where_the_flow_lands_in_the_picture() -> None:
    lands = inside(constant_flow(4, -3))[0, 0]
    assert bool(lands[3:, :-4].all())
    assert not bool(lands[:3].any())
    assert not bool(lands[:, -4:].any())
