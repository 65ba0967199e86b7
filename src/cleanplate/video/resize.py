"""Bring pictures and masks to another size, as the paper does (App. B)."""

import cv2
import numpy as np
from jaxtyping import Shaped

from cleanplate.errors import InputError
from cleanplate.video.container import MOST_PX

SAME_ASPECT = 0.01  # pictures show the same if their aspect ratios differ by less than this share


def same_aspect(shape: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether pictures of these (height, width) can be of the same."""
    return abs(shape[1] * other[0] / (shape[0] * other[1]) - 1) <= SAME_ASPECT


def check_size(size: tuple[int, int] | None) -> None:
    """Refuse a (height, width) that is none, or more than any picture has."""
    if size is not None and not (min(size) >= 1 and max(size) <= MOST_PX):
        raise InputError(
            f"the size is {size[0]}x{size[1]}",
            "height and width of a picture are needed",
            f"give two numbers from 1 to {MOST_PX}",
        )


def resize_and_crop(picture: Shaped[np.ndarray, "H W *C"], size: tuple[int, int]) -> Shaped[np.ndarray, "h w *C"]:
    """Scale until `size` (height, width) is covered, then cut out the centre."""
    height, width = size
    scale = max(height / picture.shape[0], width / picture.shape[1])
    scaled = max(height, round(picture.shape[0] * scale)), max(width, round(picture.shape[1] * scale))
    if scaled != picture.shape[:2]:
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        picture = cv2.resize(picture, scaled[::-1], interpolation=how)
    top, left = (scaled[0] - height) // 2, (scaled[1] - width) // 2
    return picture[top : top + height, left : left + width]
