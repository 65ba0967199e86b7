"""Remove things from a VapourSynth clip, in a script of its own.

    from cleanplate.vapoursynth import inpaint

    clean = inpaint(clip, mask)

Frames are computed in order, from the first, a window at a time, when they are asked for. Whoever asks for frame 500
first waits for those before it; what was filled into a frame is kept in a temporary file, so going back costs nothing,
and the result does not depend on the order.
"""

import re
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from av.video.frame import VideoFrame
from jaxtyping import Bool, Shaped

from cleanplate.config import DEFAULT_METHOD, DILATE_PX, Method
from cleanplate.errors import InputError
from cleanplate.streaming import Stream, stream
from cleanplate.video.planes import FULL_RANGE, UNSPECIFIED, samples, to_codec, upright_rgb
from cleanplate.video.y4m import FORMATS

HELD = "YUV420P8 and others of 8 to 16 bits, GRAY8 to GRAY16, RGB24 to RGB48, RGBH and RGBS are read"


def inpaint(
    clip: Any,
    mask: Any,
    method: str | Method = DEFAULT_METHOD,
    *,
    dilate_px: int = DILATE_PX,
    seed: int = 0,
    device: str = "auto",
    max_steps: int | None = None,
    max_seconds: float | None = None,
) -> Any:
    """Remove what a mask covers from a clip.

    Args:
        clip: a `vapoursynth.VideoNode` of one format and size, YUV or GRAY of 8 to 16 bits, or RGB.
        mask: a clip of GRAY8 to GRAY16 of the same size, of one frame or of as many; or an array (H, W) for all frames,
            or one for each (T, H, W). What is above the middle of its range is removed.
        method: as `cleanplate.inpaint` takes it.
        dilate_px: radius the hole is grown by.
        seed: see `RunOptions`, as for all that follow.
        device: where to compute.
        max_steps: learn for so many updates at most.
        max_seconds: learn until so long after the start.

    Returns:
        A clip of the same format, length and properties; every sample outside the hole and the effects as it was.

    Raises:
        InputError: at once, a clip or mask that cannot be used. What goes wrong with a frame, VapourSynth says when
            that frame is asked for.
    """
    held = Held.of(clip)
    plates = stream(
        _Frames(clip, held),
        _masks(mask, clip),
        method,
        dilate_px=dilate_px,
        seed=seed,
        device=device,
        max_steps=max_steps,
        max_seconds=max_seconds,
    )
    filled = Filled(plates)

    def computed(n: int, f: Any) -> Any:
        changed, colours = filled.of(n, (clip.height, clip.width))
        if not changed.any():
            return f
        frame = f.copy()
        held.put(frame, f, changed, colours)
        return frame

    return clip.std.ModifyFrame(clips=clip, selector=computed)


@dataclass(frozen=True)
class Held:
    """How the frames of a clip are held, and how they become RGB and back."""

    bits: int
    pix_fmt: str | None
    """In FFmpeg's words; None of planes of RGB."""

    @classmethod
    def of(cls, clip: Any) -> "Held":
        """That of a clip.

        Raises:
            InputError: it is none, or of a format that is not read.
        """
        if not _is_clip(clip):
            given = f"the clip is a {type(clip).__name__}"
            raise InputError(given, "a vapoursynth.VideoNode is needed", "give what a source filter returns")
        name = clip.format.name.upper() if clip.format is not None and clip.width else "of no constant format and size"
        bits = clip.format.bits_per_sample if clip.format is not None else 0
        yuv, grey, rgb = (re.match(pattern, name) for pattern in (r"YUV(\d+)P(\d+)$", r"GRAY(\d+)$", r"RGB(\d+|H|S)$"))
        if rgb and (bits <= 16 or name == "RGBS"):
            return cls(bits, None)
        word = f"mono{bits}" if grey else f"{yuv[1]}p{bits}" if yuv else ""
        word = word.removesuffix("8").removesuffix("p") if bits == 8 else word
        if word not in FORMATS:
            raise InputError(f"the clip is {name}", HELD, "convert it, as by clip.resize.Bicubic(format=vs.YUV420P16)")
        return cls(bits, FORMATS[word])

    def rgb(self, frame: Any) -> Shaped[np.ndarray, "H W 3"]:
        """A frame as it is worked on: bytes, 16 bits, or floats."""
        if self.pix_fmt is not None:
            return upright_rgb(self._frame(frame))
        planes = np.stack([np.asarray(frame[plane]) for plane in range(3)], axis=-1)
        if planes.dtype != np.uint16 or self.bits == 16:
            return planes
        return np.rint(planes * (65535 / (2**self.bits - 1))).astype(np.uint16)

    def put(self, target: Any, source: Any, changed: Bool[np.ndarray, "H W"], colours: np.ndarray) -> None:
        """Put colours (n, 3) where it was changed into a copy of a frame."""
        if self.pix_fmt is None:
            if colours.dtype == np.uint16:
                colours = np.rint(colours * ((2**self.bits - 1) / 65535)).astype(np.uint16)
            for plane in range(3):
                np.asarray(target[plane])[changed] = colours[:, plane]
            return
        original = self._frame(source)
        picture = np.ascontiguousarray(upright_rgb(original))
        picture[changed] = colours
        done = to_codec(
            picture,
            self.pix_fmt,
            colorspace=original.colorspace,
            color_range=original.color_range,
            source=original,
            changed=changed,
        )
        for plane, done_samples in enumerate(samples(done) or ()):
            np.asarray(target[plane])[...] = done_samples

    def _frame(self, frame: Any) -> VideoFrame:
        """The same in FFmpeg's hands."""
        assert self.pix_fmt is not None
        held = VideoFrame(frame.width, frame.height, self.pix_fmt)
        held.colorspace = int(frame.props.get("_Matrix", UNSPECIFIED))
        # Of the two words for the range one counts up to the full one, and the older one down.
        full = frame.props.get("_Range", 1 - frame.props.get("_ColorRange", 1))
        held.color_range = FULL_RANGE if full else 1
        for plane, target in enumerate(samples(held) or ()):
            target[...] = np.asarray(frame[plane])
        return held


class _Frames:
    """The frames of a clip in RGB, one by one."""

    def __init__(self, clip: Any, held: Held):
        self._clip, self._held = clip, held

    def __len__(self) -> int:
        return self._clip.num_frames

    def __iter__(self) -> Iterator[np.ndarray]:
        for index in range(len(self)):
            with self._clip.get_frame(index) as frame:
                yield self._held.rgb(frame)


class Filled:
    """What is filled into the frames: computed in order, and then kept in a temporary file.

    Args:
        plates: the frames as they are computed.
    """

    def __init__(self, plates: Stream):
        self._plates, self._lock = plates, threading.Lock()
        self._file = tempfile.TemporaryFile(prefix="cleanplate-")  # noqa: SIM115  it lives as long as the clip does
        self._places: list[tuple[int, int, int]] = []
        """Of each frame where it begins, how many bytes say what was changed, and how many what is there."""
        self._kind = np.dtype(np.uint8)
        self._error: Exception | None = None

    def __del__(self) -> None:
        self._file.close()

    def of(self, index: int, size: tuple[int, int]) -> tuple[Bool[np.ndarray, "H W"], Shaped[np.ndarray, "n 3"]]:
        """Which pixels of a frame of that (height, width) were changed, and their colours row by row."""
        with self._lock:
            while len(self._places) <= index:
                self._compute()
            begin, packed, colours = self._places[index]
            self._file.seek(begin)
            bits = np.frombuffer(self._file.read(packed), np.uint8)
            values = np.frombuffer(self._file.read(colours), self._kind).reshape(-1, 3)
        return np.unpackbits(bits, count=size[0] * size[1]).astype(bool).reshape(size), values

    def _compute(self) -> None:
        if self._error is not None:  # it has ended; VapourSynth shows but the beginning of where that was
            raise self._error.with_traceback(None)
        try:
            plate = next(self._plates)
        except Exception as error:
            self._error = error
            return self._compute()
        changed = plate.provenance > 0
        bits, colours = np.packbits(changed).tobytes(), plate.picture[changed]
        self._kind = colours.dtype
        self._file.seek(0, 2)
        self._places.append((self._file.tell(), len(bits), colours.nbytes))
        self._file.write(bits)
        self._file.write(colours.tobytes())


def _masks(mask: Any, clip: Any) -> Any:
    """One mask for each frame, or for all of them."""
    if not _is_clip(mask):
        if not isinstance(mask, np.ndarray | Sequence):
            given = f"the mask is a {type(mask).__name__}"
            raise InputError(given, "a clip of GRAY8 or an array (H, W) is needed", "give one")
        if isinstance(mask, np.ndarray) and mask.ndim == 2:
            _check_mask(mask.shape, clip)
            return mask
        if len(mask) != clip.num_frames:
            raise _unequal(len(mask), clip)
        return mask
    if mask.format is None or not re.match(r"GRAY(8|9|1\d)$", mask.format.name.upper()):
        given = f"the mask is {mask.format.name.upper() if mask.format else 'of no constant format'}"
        fix = "convert it, as by mask.resize.Point(format=vs.GRAY8)"
        raise InputError(given, "GRAY8 to GRAY16 is needed, white where something is to go", fix)
    _check_mask((mask.height, mask.width), clip)
    if mask.num_frames == 1:
        return _grey(mask.get_frame(0))
    if mask.num_frames != clip.num_frames:
        raise _unequal(mask.num_frames, clip)
    return (_grey(mask.get_frame(index)) for index in range(mask.num_frames))


def _grey(frame: Any) -> Bool[np.ndarray, "H W"]:
    """What a frame of a mask marks."""
    with frame:
        return np.asarray(frame[0]) > 2**frame.format.bits_per_sample // 2 - 1


def _check_mask(size: tuple[int, ...], clip: Any) -> None:
    if tuple(size) != (clip.height, clip.width):
        given = f"the mask is {size[1]}x{size[0]}"
        raise InputError(given, f"the clip is {clip.width}x{clip.height}", "resize the mask to the clip")


def _unequal(count: int, clip: Any) -> InputError:
    given = f"the mask has {count} frames and the clip has {clip.num_frames}"
    return InputError(given, "every frame needs its mask", "give as many, or one for all")


def _is_clip(thing: Any) -> bool:
    return type(thing).__name__ == "VideoNode"
