"""Frames go in and come out without the thing, one by one: for a program that has frames of its own, and an end or not.

    for plate in cleanplate.stream(frames, masks):
        show(plate.picture)

    async for plate in cleanplate.stream(frames, masks):
        await send(plate.picture)

The first frame comes out once a window of them has gone in; never more than that is held (`CarryConfig.window`), but
for the methods that look at all frames at once: those of the paper and the rivals.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Iterator
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat, zip_longest
from typing import Any

import numpy as np
from jaxtyping import Bool, Shaped, UInt8

from cleanplate.config import DEFAULT_METHOD, Method, find_method
from cleanplate.errors import Cancelled, InputError
from cleanplate.imaging.frame import MADE_UP, Frame
from cleanplate.imaging.pixels import check_known, to_samples
from cleanplate.pipeline import begin, enough_memory, fill
from cleanplate.progress import OnStep, Step
from cleanplate.runtime.options import RunOptions
from cleanplate.runtime.work_dir import WorkDir
from cleanplate.video.masks import grow

END: Any = object()


@dataclass(frozen=True)
class PlateFrame:
    """A frame of the result."""

    index: int
    """Counted from 0."""
    picture: Shaped[np.ndarray, "H W 3"]
    """In the type that the frame came in; bit for bit what came in outside the hole and the effects."""
    provenance: UInt8[np.ndarray, "H W"]
    """0 known, 1 carried from another frame, 2 made up."""
    effects: Bool[np.ndarray, "H W"]
    """What was changed outside the hole, because of what the thing does there."""


class Stream(Iterator[PlateFrame]):
    """Frames without the thing, to be taken by `for`, or by `async for` while a thread computes them.

    `close` and `aclose` end it early, and let go of all it holds; so does forgetting it. A task that is cancelled while
    it waits for a frame ends it too.
    """

    def __init__(self, run: RunOptions, start: Callable[["Stream", RunOptions], Iterator[PlateFrame]]):
        self._ended = False
        self._told = run.on_step
        self._frames = start(self, RunOptions(**{**vars(run), "on_step": self._on_step}))
        self._thread: ThreadPoolExecutor | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._awaited: Future[Any] | None = None

    def __next__(self) -> PlateFrame:
        return next(self._frames)

    def close(self) -> None:
        """End it: what comes next is the end."""
        self._ended = True
        self._frames.close()  # type: ignore[attr-defined]

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> PlateFrame:
        frame = await self._in_thread(next, self._frames, END)
        if frame is END:
            raise StopAsyncIteration
        return frame

    async def aclose(self) -> None:
        """End it, and wait until the thread has."""
        self._end()
        await self._in_thread(self.close)
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def _in_thread(self, work: Callable[..., Any], *given: Any) -> Any:
        """One thread for all of it, so that no two calls meet."""
        self._loop = asyncio.get_running_loop()
        self._thread = self._thread or ThreadPoolExecutor(1, "cleanplate")
        try:
            return await self._loop.run_in_executor(self._thread, work, *given)
        except asyncio.CancelledError:
            self._end()
            raise

    def _end(self) -> None:
        """Let a thread that computes stop at its next step, or where it waits for a frame."""
        self._ended = True
        if self._awaited is not None:
            self._awaited.cancel()

    def _on_step(self, step: Step) -> None:
        if self._ended:
            raise Cancelled
        if self._told is not None:
            self._told(step)

    def pulled(self, source: AsyncIterable[Any]) -> Iterator[Any]:
        """What an asynchronous source gives, for the thread, which waits for it."""
        if self._loop is None:
            raise InputError(
                "the frames or masks are asynchronous", "so is the loop that takes the result", "write async for"
            )
        iterator = aiter(source)

        async def following() -> Any:
            return await anext(iterator, END)

        while not self._ended:
            self._awaited = asyncio.run_coroutine_threadsafe(following(), self._loop)
            try:
                item = self._awaited.result()
            except CancelledError:
                raise Cancelled from None
            if item is END:
                return
            yield item


def stream(
    frames: Iterable[Any] | AsyncIterable[Any],
    masks: Iterable[Any] | AsyncIterable[Any],
    method: str | Method = DEFAULT_METHOD,
    *,
    dilate_px: int = 0,
    seed: int = 0,
    device: str = "auto",
    max_steps: int | None = None,
    max_seconds: float | None = None,
    on_step: OnStep | None = None,
) -> Stream:
    """Remove what masks cover from frames as they come.

    Args:
        frames: pictures (H, W, 3), RGB, one after the other: bytes, 16 bits, or floats in 0..1 (what is beyond is kept
            where nothing is changed). They are copied when they are taken. In an `async for`, also an asynchronous
            iterable.
        masks: as many masks (H, W), or one array for all frames: bool, or bytes, 16 bits or floats that mark the hole
            where they are above the middle of their range.
        method: a name in METHODS, or a Method.
        dilate_px: radius the hole is grown by.
        seed: see `RunOptions`, as for all that follow.
        device: where to compute.
        max_steps: learn for so many updates at most.
        max_seconds: learn until so long after the start.
        on_step: told of every step, in the thread that computes; raising `Cancelled` in it ends the stream with that.

    Raises:
        InputError: at once, an unknown method or device, missing weights, a mask for all frames that marks nothing or
            everything; when it is its turn, a frame or mask that does not fit.
    """
    method = find_method(method) if isinstance(method, str) else method
    run = RunOptions(seed, device, max_steps, max_seconds, WorkDir(), on_step)
    if isinstance(masks, np.ndarray) and masks.ndim == 2:
        marked = to_hole(masks, "the mask")
        if marked.all() or not marked.any():
            given = f"the mask marks {'every pixel of every frame' if marked.all() else 'nothing'}"
            raise InputError(given, "a hole is filled from what is known around it", "mark what is to be removed")
    begin(method, run, lambda: "")
    total = len(frames) if hasattr(frames, "__len__") else 0  # type: ignore[arg-type]

    def start(whole: Stream, run: RunOptions) -> Iterator[PlateFrame]:
        taken: deque[np.ndarray] = deque()  # as they came, until they come out
        entering = _entering(_items(frames, whole), _items(masks, whole), taken, dilate_px)
        with enough_memory():
            for done in fill(entering, method, run, total=total):
                yield _leaving(done, taken.popleft())

    return Stream(run, start)


def _items(source: Any, whole: Stream) -> Iterator[Any]:
    """What is given for each frame; one mask is for all of them."""
    if hasattr(source, "__aiter__"):
        return whole.pulled(source)
    return repeat(source) if isinstance(source, np.ndarray) and source.ndim == 2 else iter(source)


def _entering(frames: Iterator[Any], masks: Iterator[Any], taken: deque[np.ndarray], dilate_px: int) -> Iterator[Frame]:
    """The frames to be filled, checked; what they came as is `taken`."""
    together = (
        zip(frames, masks, strict=False) if isinstance(masks, repeat) else zip_longest(frames, masks, fillvalue=END)
    )
    first: np.ndarray | None = None
    for index, (given, mask) in enumerate(together):
        if given is END or mask is END:
            short, long = ("frames", "masks") if given is END else ("masks", "frames")
            fix = "give one for each, or one array (H, W) for all frames"
            raise InputError(f"there are {index} {short}, and more {long}", "every frame needs its mask", fix)
        picture = _checked(given, index, first)
        first = picture if first is None else first
        hole = to_hole(np.asarray(mask), f"mask {index}")
        if hole.shape != picture.shape[:2]:
            needed = f"frame {index} is {picture.shape[1]}x{picture.shape[0]}"
            size = "x".join(map(str, hole.shape[::-1]))
            raise InputError(f"mask {index} is {size}", needed, "resize the mask to the frames")
        hole = grow(hole, dilate_px)
        check_known(picture, hole, index)
        taken.append(picture)
        yield Frame(index, _worked_on(picture), hole.astype(np.uint8) * np.uint8(MADE_UP))


def _checked(given: Any, index: int, first: np.ndarray | None) -> Shaped[np.ndarray, "H W 3"]:
    """A frame, copied."""
    picture = np.array(given)
    wrong = picture.ndim != 3 or picture.shape[2:] != (3,) or not picture.size
    if wrong or (picture.dtype not in (np.uint8, np.uint16) and picture.dtype.kind != "f"):
        needed = "RGB of shape (H, W, 3) is needed, in uint8, uint16 or floats"
        raise InputError(f"frame {index} is {picture.dtype} of shape {picture.shape}", needed, "convert it")
    if first is not None and (picture.shape, picture.dtype) != (first.shape, first.dtype):
        given = f"frame {index} is {picture.dtype} of shape {picture.shape}"
        needed = f"frame 0 is {first.dtype} of shape {first.shape}"
        raise InputError(given, needed, "give all frames in one size and type")
    return picture


def to_hole(mask: Shaped[np.ndarray, "..."], name: str) -> Bool[np.ndarray, "H W"]:
    """What a mask marks: bool as it is, numbers above the middle of their range.

    Args:
        mask: of one frame.
        name: what to call it.

    Raises:
        InputError: it is no mask.
    """
    middle = {np.dtype(bool): 0, np.dtype(np.uint8): 127, np.dtype(np.uint16): 32767}.get(mask.dtype, 0.5)
    if mask.ndim != 2 or not mask.size or (middle == 0.5 and mask.dtype.kind != "f"):
        needed = "one of shape (H, W) is needed, in bool, uint8, uint16 or floats"
        raise InputError(f"{name} is {mask.dtype} of shape {mask.shape}", needed, "convert it")
    return mask > middle


def _worked_on(picture: Shaped[np.ndarray, "H W 3"]) -> Shaped[np.ndarray, "H W 3"]:
    """What it is held as while it is filled: 16 bits as halves, which are enough for what is filled in."""
    if picture.dtype == np.uint16:
        return (picture.astype(np.float32) / 65535).astype(np.float16)
    return picture.copy() if picture.dtype == np.uint8 else picture.astype(np.float32)


def _leaving(done: Frame, picture: Shaped[np.ndarray, "H W 3"]) -> PlateFrame:
    """What came in, with what was filled."""
    changed, filled = done.hole, done.picture
    if picture.dtype.kind == "u":
        filled = to_samples(filled, wide=picture.dtype == np.uint16)
    picture[changed] = filled[changed].astype(picture.dtype)
    effects = np.zeros(done.size, bool) if done.effects is None else done.effects.where
    return PlateFrame(done.index, picture, done.provenance, effects)
