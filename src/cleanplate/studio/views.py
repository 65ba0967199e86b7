"""What the page says of a project, as HTML. Nothing here does anything."""

import html
from pathlib import Path
from urllib.parse import quote

from cleanplate.imaging.frame import CARRIED, MADE_UP, PAINTED
from cleanplate.imaging.visualise import TINTS
from cleanplate.studio.players import address_of
from cleanplate.studio.project import Project
from cleanplate.studio.tasks import Result
from cleanplate.studio.thumbnails import EFFECTS_TINT, OVERLAY_TINT, Colour

DOING = {
    ("read", "read"): "Reading the video",
    ("demo", "read"): "Making the shot",
    ("track", "read"): "Looking at the shot",
    ("track", "track"): "Following the thing",
    ("track", "write"): "Writing the mask",
    ("overlays", "look"): "Looking for logos and captions",
    ("effects", "read"): "Looking for its shadow",
    ("effects", "find"): "Looking for its shadow",
    ("effects", "write"): "Looking for its shadow",
    ("clean", "read"): "Reading the shot",
    ("clean", "carry"): "Carrying hidden pixels from other frames",
    ("clean", "learn"): "Making up what no frame shows",
    ("clean", "write"): "Writing the result",
    ("clean", "show"): "Making pictures of the result",
    ("take-out", "read"): "Taking the frame out",
}


KEEP = "keep"
"""In the address of a file: the name to keep it under."""


def found_overlays(project: Project) -> str:
    """What came of looking for them."""
    found = project.overlays.found
    if found is None:
        return ""
    if found.all:
        words = "Suggestions are listed below the picture: nothing of them is removed unless you take it."
    elif found.moves:
        words = "Nothing was found that stands still and is not of the scene. Mark it, and tick It stands still."
    else:
        words = (
            "The shot does not move enough, or is too short, so nothing can be told apart. "
            "Mark it, and tick It stands still."
        )
    return f"<p class='facts' role='status'>{words}</p>"


def facts(project: Project) -> str:
    """The shot in a line."""
    info = project.info
    if info is None:
        return ""
    height, width = info.size
    lasting = f"{info.total} frames, {info.total / info.fps:.1f} s at {info.fps:g} frames a second"
    return f"<p class='facts'><b>{html.escape(project.name)}</b>: {width}x{height}, {lasting}</p>"


def message(words: str) -> str:
    """What went wrong."""
    return f"<div class='alert' role='alert'>{html.escape(words)}</div>" if words else ""


def advice(project: Project) -> str:
    """What to do next, beside the picture that is marked."""
    tracked = project.things.chosen.tracked
    if project.made_of is None:
        words = "Mark the thing on one frame, then press Track. More marks help where it changes a lot."
        if any(project.parts):
            words = "Marked. Press Track to follow it through the shot, or mark it on more frames first."
    elif project.stale:
        words = "What is marked, or how its mask is made, has changed: press Track again."
    elif tracked is not None and tracked.unmarked_shots:
        words = f"{PLAY} Nothing is masked behind the cuts that are named below it: mark the thing there too."
    elif tracked is not None and tracked.frames_to_review:
        words = f"{PLAY} The frames named below it are the least sure ones."
    else:
        words = f"{PLAY} If it is right, go on below."
    return f"<p class='facts' role='status'>{words}</p>{_legend(project)}"


def _legend(project: Project) -> str:
    """What the tints mean, once there are two."""
    if not project.effects.shown:
        return ""
    found = project.effects.found
    if project.effects.edits.versions or (found is not None and found.frames):
        words = "what goes with it: its shadow, and what the mask has missed"
    else:
        words = "what goes with it: nothing was found, and you can paint it"
    things = "".join(f"<span>{_swatch(one.colour)}{html.escape(one.name)}</span>" for one in project.things.marked)
    if project.overlays.accepted:
        things += f"<span>{_swatch(OVERLAY_TINT)}logos and captions</span>"
    said = f"{things}<span>{_swatch(EFFECTS_TINT)}{words}</span>"
    return f"<div class='shares'>{said}</div>"


def _swatch(colour: Colour) -> str:
    red, green, blue = colour
    return f"<span class='swatch' style='background: rgb({red} {green} {blue})'></span>"


PLAY = "Play it. Where the mask slips, paint or erase on that frame, and track again."


def progress(project: Project) -> str:
    """How far a job has come."""
    job = project.job
    if job is None:
        return ""
    if job.state == "waiting":
        ahead = project.ahead()
        words = f"Waiting: {ahead} before you." if ahead else "Starting."
    else:
        left_s = job.left_s
        lasting = "" if left_s is None else f" &middot; about {in_words(left_s)} left"
        doing = DOING.get((job.task, job.stage), "Starting")
        if job.stage == "learn" and not job.arguments[0].settings.carries:
            doing = "Learning the shot"
        words = f"{doing}: {job.share:.0%}{lasting}"
    bar = f"<progress max='1' value='{job.share:.3f}' aria-label='Progress'></progress>"
    picture, preview = "", project.preview
    if preview is not None:
        address = f"{address_of(preview)}?v={preview.stat().st_mtime_ns}"
        picture = f"<img src='{address}' alt='The middle frame as it is now' class='preview'>"
    return f"<div class='progress'><div class='said'><span role='status'>{words}</span>{bar}</div>{picture}</div>"


def in_words(seconds: float) -> str:
    """A time that is only estimated."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


EARLIER = "<p class='facts'><b>This result is of an earlier mask.</b> It stays until Remove it has made a new one.</p>"


def shares(project: Project) -> str:
    """Where the result's pixels come from."""
    result = project.result
    if result is None:
        return ""

    earlier = project.stale or project.versions["track"] > project.versions["clean"]
    painted = f"<span>{_swatch(TINTS[PAINTED])}{result.painted:.1%} painted by you</span>" if result.painted else ""
    return (
        f"{EARLIER if earlier else ''}<div class='shares'>"
        f"<span>{1 - result.hidden:.1%} of the picture is untouched.</span>"
        f"<span>Of the {result.hidden:.1%} that was hidden:</span>"
        f"<span>{_swatch(TINTS[CARRIED])}{result.carried:.1%} carried from other frames</span>"
        f"<span>{_swatch(TINTS[MADE_UP])}{result.made_up:.1%} made up</span>"
        f"{painted}"
        f"<span>It took {in_words(result.elapsed_s)}.</span></div>"
        f"{_doubts(result)}"
        "<p class='facts'>Something left of it? Mark that under 2 on a frame that shows it, track again and remove "
        "again. Of its shadow? Paint that under 2 on the frames that show it, and remove again.</p>"
    )


def _doubts(result: Result) -> str:
    """Which frames of the result to look at."""
    if not result.look_at:
        return ""
    frames = ", ".join(str(number - result.first) for number in result.look_at)  # as the slider above says
    differs = f", or the frames before and after do not agree about it ({result.doubtful:.1%} of what was hidden)"
    return (
        f"<p class='facts'><b>Look at frame{'s' * (len(result.look_at) > 1)} {frames}</b>: most is made up there"
        f"{differs if result.doubtful >= 0.001 else ''}. If it shows, paint one of them yourself: Painted by you, "
        "under 3.</p>"
    )


def downloads(project: Project) -> str:
    """Links to the files."""
    links = [_link(*one) for one in project.downloads()]
    return f"<div class='downloads'>{''.join(links)}</div>" if links else ""


def _link(what: str, path: Path, name: str) -> str:
    kept = html.escape(name, quote=True)
    made = path.stat().st_mtime_ns  # or a browser may give what an earlier file of that name held
    return f"<a href='{address_of(path)}?{KEEP}={quote(name)}&amp;v={made}' download='{kept}'>{what}</a>"


def taken_out(project: Project) -> str:
    """A link to the frame that was taken out last."""
    path = project.paintings.taken_out
    return (
        ""
        if path is None
        else f"<div class='downloads'>{_link('Download ' + html.escape(path.name), path, path.name)}</div>"
    )


def paintings(project: Project) -> str:
    """Which frames were painted."""
    names = [html.escape(one.name) for _, one in sorted(project.paintings.by_frame.items())]
    return f"<p class='facts'>Painted by you: {', '.join(names)}</p>" if names else ""
