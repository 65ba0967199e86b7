"""Small copies of frames and masks, as files that the page shows: JPEGs of frames, and tints to lay over them."""

from collections.abc import Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Bool, UInt8

from cleanplate.imaging.visualise import TINTS, grey_to_provenance

LONGEST_PX = 1280  # side of a small copy
# Colour in full resolution: outlines are found by it.
JPEG = (
    cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444
)  # fmt: skip
MASK_TINT = (204, 121, 167)
"""Reddish purple (Okabe & Ito 2008): neither of the provenance's tints, and told from both by the colour-blind."""
THING_TINTS = MASK_TINT, (0, 158, 115), (86, 180, 233), (230, 159, 0), (0, 114, 178)
"""Of one thing after the other: theirs too."""
OVERLAY_TINT = (213, 94, 0)
"""Vermillion: of logos and captions that were found."""
EFFECTS_TINT = (240, 228, 66)
"""Their yellow: of their colours the farthest from the mask's, beside which it is shown."""

FAINT = 110  # of 255; half and more is what is marked

AREA = ".area.png"
"""How the name of a picture ends that holds what is marked in full size."""

Size = tuple[int, int]
"""(height, width) in pixels."""
Colour = tuple[int, int, int]
"""(red, green, blue), 0..255."""


def small_size(size: Size) -> Size:
    """Of the copy that is shown."""
    scale = min(1.0, LONGEST_PX / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def numbered(folder: Path, index: int, suffix: str) -> Path:
    """Where a picture of a frame lies."""
    return folder / f"{index:05d}{suffix}"


def write_frame(folder: Path, index: int, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    """The small copy of a frame."""
    write_jpeg(numbered(folder, index, ".jpg"), picture)


def write_jpeg(path: Path, picture: UInt8[np.ndarray, "H W 3"]) -> None:
    """A picture in RGB, made small; readers see the old one or the new one."""
    height, width = small_size(picture.shape[:2])
    small = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    _write(path, ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), JPEG)


def read_jpeg(path: Path) -> UInt8[np.ndarray, "h w 3"]:
    """What `write_jpeg` wrote."""
    return cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def write_tint(
    path: Path, labels: UInt8[np.ndarray, "H W"], tints: dict[int, Colour], faint: Collection[int] = ()
) -> None:
    """A picture that is clear except where a pixel's label has a tint, and clear in part where that is faint."""
    height, width = small_size(labels.shape[:2])
    small = cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST)
    colours = np.zeros((height, width, 4), np.uint8)
    for label, (red, green, blue) in tints.items():
        colours[small == label] = (blue, green, red, FAINT if label in faint else 255)
    _write(path, ".png", colours, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def write_mask(
    path: Path,
    mask: Bool[np.ndarray, "H W"],
    colour: Colour = MASK_TINT,
    edge: Bool[np.ndarray, "H W"] | None = None,
) -> None:
    """What is marked, as a tint; a soft edge around it is faint: it goes too, and is no part of what is painted on."""
    labels = mask.astype(np.uint8)
    if edge is not None:
        labels[edge & ~mask] = 2
    write_tint(path, labels, {1: colour, 2: colour}, faint=(2,))


def write_provenance(path: Path, grey: UInt8[np.ndarray, "H W"]) -> None:
    """The provenance as a tint, from the grey values that `clean` writes."""
    write_tint(path, grey_to_provenance(grey), TINTS)


def write_area(folder: Path, index: int, area: Bool[np.ndarray, "H W"], colour: Colour) -> None:
    """What is marked on a frame: in its full size, and small as a tint that the page shows."""
    _write(numbered(folder, index, AREA), ".png", area.astype(np.uint8) * 255, [cv2.IMWRITE_PNG_BILEVEL, 1])
    write_mask(numbered(folder, index, ".png"), area, colour)


def read_area(folder: Path, index: int) -> Bool[np.ndarray, "H W"]:
    """What `write_area` wrote, in its full size."""
    return _read(numbered(folder, index, AREA), cv2.IMREAD_GRAYSCALE) > 127


def read_mask(path: Path) -> Bool[np.ndarray, "h w"]:
    """What `write_mask` wrote."""
    return _read(path, cv2.IMREAD_UNCHANGED)[..., 3] > 127


def read_mask_as(path: Path, size: Size) -> Bool[np.ndarray, "H W"]:
    """The same, enlarged to the size of the video."""
    small = read_mask(path).astype(np.uint8) * 255
    return cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR) > 127


def emptied(folder: Path) -> Path:
    """A folder, there and without any pictures."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    return folder


def _read(path: Path, flags: int) -> np.ndarray:
    picture = cv2.imread(str(path), flags)
    assert picture is not None, path  # written by us
    return picture


def _write(path: Path, suffix: str, picture: np.ndarray, options: Sequence[int]) -> None:
    _, data = cv2.imencode(suffix, picture, options)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_bytes(data.tobytes())
    partial.replace(path)
