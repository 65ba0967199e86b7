"""The command `demo`: make a clip, clean it, and compare with the truth."""

from dataclasses import dataclass
from pathlib import Path

from cleanplate.commands.console import Output, progress
from cleanplate.progress import OnStep
from cleanplate.runtime.files import whole

WRITTEN = ("input.mp4", "mask.mkv", "clean.mp4", "provenance.mkv", "truth.mkv", "side-by-side.png", "shadow.png")


@dataclass(frozen=True)
class Demo:
    """Make a clip, remove what walks through it, and compare with the truth."""

    output: Output = Path("cleanplate-demo")
    """Folder for the input, the result, the provenance and the picture."""
    seed: int = 0
    """Of the camera's shake."""
    overwrite: bool = False
    """Replace what an earlier demo wrote."""

    def run(self) -> None:
        """Write the folder and print the figures."""
        with progress() as on_step:
            lines = run_demo(self.output, seed=self.seed, overwrite=self.overwrite, on_step=on_step)
        print("\n".join(lines))


def run_demo(folder: Path, *, seed: int = 0, overwrite: bool = False, on_step: OnStep | None = None) -> list[str]:
    """Make the clip, clean it through files as a user would, and write what there is to see.

    Returns:
        the figures, line by line.

    Raises:
        InputError: the folder is there already, holds something else, or cannot be written.
    """
    import numpy as np

    from cleanplate.baselines.fillers import telea
    from cleanplate.clip import read_clip
    from cleanplate.data.demo import make_demo, write_tone
    from cleanplate.imaging.frame import CARRIED, MADE_UP
    from cleanplate.imaging.pixels import channels_last
    from cleanplate.imaging.visualise import provenance_to_grey, tint
    from cleanplate.metrics import psnr_db
    from cleanplate.plate import inpaint
    from cleanplate.video.images import write_png
    from cleanplate.video.outputs import check_place
    from cleanplate.video.writer import write_grey, write_video

    check_place(folder, overwrite=overwrite, is_written=WRITTEN.__contains__)
    demo = make_demo(seed)
    with whole(folder) as partial:
        partial.mkdir()
        tone, source, mask = partial / "tone.m4a", partial / "input.mp4", partial / "mask.mkv"
        write_tone(tone, len(demo.frames) / demo.fps)
        write_video(source, demo.frames, fps=demo.fps, sound=tone)
        tone.unlink()
        write_grey(mask, demo.mask, fps=demo.fps)
        clip = read_clip(source, mask)
        plate = inpaint(clip, seed=seed, on_step=on_step)
        write_video(partial / "clean.mp4", plate.frames, like=source)
        grey = provenance_to_grey(plate.provenance.numpy(), plate.effects.numpy())
        write_grey(partial / "provenance.mkv", grey / np.float32(255), like=source)
        write_video(partial / "truth.mkv", demo.truth, fps=demo.fps)
        painted = telea(clip.frames, clip.hole)
        index = 2 * len(demo.frames) // 3  # where the shadow lies on the saucer and the table
        before, after, theirs = (channels_last(frames[index]) for frames in (clip.frames, plate.frames, painted))
        where = tint(after, plate.provenance[index, 0].numpy())
        write_png(partial / "side-by-side.png", np.vstack((np.hstack((before, after)), np.hstack((where, theirs)))))
        rows = []
        for index in (len(demo.frames) * sixth // 6 for sixth in (1, 3, 5)):
            before, after = (channels_last(frames[index]) for frames in (clip.frames, plate.frames))
            marked = (clip.hole[index, 0] * MADE_UP + plate.effects[index, 0] * CARRIED).byte().numpy()
            rows.append(np.hstack((before, tint(before, marked), after)))
        write_png(partial / "shadow.png", np.vstack(rows))
    ours, theirs = (psnr_db(frames, demo.truth, clip.hole) for frames in (plate.frames, painted))
    carried = float((plate.provenance[clip.hole] == CARRIED).float().mean())
    shadow = (demo.frames != demo.truth).any(1, keepdim=True) & ~clip.hole
    before, after = (psnr_db(frames, demo.truth, shadow) for frames in (demo.frames, plate.frames))
    frames, _, height, width = clip.frames.shape
    return [
        f"{frames} frames of {width}x{height}, {float(clip.hole.float().mean()):.1%} hidden, {plate.elapsed_s:.1f} s",
        f"PSNR in the hole: {ours:.2f} dB, {carried:.1%} of it carried from other frames",
        f"OpenCV Telea:     {theirs:.2f} dB",
        f"Its shadow, which the mask does not cover: {before:.2f} dB before, {after:.2f} dB after",
        f"written to {folder}: {', '.join(WRITTEN[:-1])}",
        f"(input, cleaned; what is carried in blue and made up in orange, Telea), and {WRITTEN[-1]}",
        "(input; the mask in orange, and in blue what was found to go with it; cleaned)",
    ]
