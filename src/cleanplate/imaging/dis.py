"""Dense optical flow of two pictures in grey, on the CPU: DIS (Kroeger et al. 2016), OpenCV's."""

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from cleanplate.errors import InputError

LEAST_SIZE = 16  # pixels: DIS matches patches of 8 on at least two scales
# Patches so far apart are matched where speed counts, closer in small pictures, which would have too few of them.
PATCHES_APART_PX, LARGE_PX = 6, 160


def dis(
    here: UInt8[np.ndarray, "H W"], there: UInt8[np.ndarray, "H W"], *, patches_apart_px: int | None = None
) -> Float[np.ndarray, "H W 2"]:
    """Where the pixels of one picture are in another; medium preset: finer ones lock on to errors of the fill.

    Args:
        here: a picture in grey.
        there: where its pixels are looked for.
        patches_apart_px: match patches so far apart, without the variational refinement; as the preset is if not given.
    """
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    if patches_apart_px is not None:
        search.setVariationalRefinementIterations(0)
        search.setPatchStride(patches_apart_px)
    unset: np.ndarray = None  # type: ignore[assignment] - OpenCV's way to say "make the output"
    return search.calc(here, there, unset)


def quick_dis(
    a: UInt8[np.ndarray, "H W"], b: UInt8[np.ndarray, "H W"]
) -> tuple[Float[np.ndarray, "H W 2"], Float[np.ndarray, "H W 2"]]:
    """Both ways, quickly: it is carried along better too."""
    apart_px = PATCHES_APART_PX if min(a.shape) >= LARGE_PX else PATCHES_APART_PX - 2
    there, back = (dis(*pair, patches_apart_px=apart_px) for pair in ((a, b), (b, a)))
    return there, back


def check_size(height: int, width: int) -> None:
    """Refuse pictures that flow cannot be estimated on.

    Raises:
        InputError: they are too small.
    """
    if min(height, width) < LEAST_SIZE:
        size = f"{width}x{height}"
        raise InputError(f"frames are {size}", f"flow needs at least {LEAST_SIZE}x{LEAST_SIZE}", "enlarge the video")
