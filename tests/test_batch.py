import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from cleanplate import InputError, cli, write_video
from cleanplate.batch.jobs import READ, WRITTEN, Job, read_jobs
from cleanplate.batch.runner import BATCH, attempt, run_batch
from cleanplate.batch.table import columns
from cleanplate.commands.inpaint import Inpaint
from cleanplate.commands.options import options
from cleanplate.runtime import processes as workers
from cleanplate.runtime import ray
from cleanplate.runtime.processes import Report, Reports, here
from cleanplate.runtime.records import Line, read_records
from cleanplate.video.reader import read_frames
from tests.conftest import panning, refused, walking_hole
from tests.ending import ended
from tests.running import Running

HEADER = "video,mask,out"
LEARN = "network.channels,network.padding,schedule.passes,save-every-s,max-steps,log-dir"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder `in`, in the current one."""
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "in"


@pytest.fixture
def shots_here(empty: Path) -> Path:
    """in/a.mp4, in/b/ (images), their masks, and a mask with no hole."""
    folder = empty
    frames, hole = panning(6), walking_hole(6).float().expand(-1, 3, -1, -1)
    write_video(folder / "a.mp4", frames)
    write_video(folder / "b", frames)
    write_video(folder / "a-mask.mkv", hole)
    write_video(folder / "b_mask", hole)
    write_video(folder / "black.mkv", hole * 0)
    return folder


def table(folder: Path, *rows: str, name: str = "jobs.csv") -> Path:
    (folder / name).write_text("\n".join(rows) + "\n")
    return folder / name


def in_this_process(ran: list[str], states: Sequence[Any] = ()) -> Callable[..., Reports[Job, Line]]:
    """A pool that runs jobs here, and notes which; what it says of the first ones may be given."""

    def pool(work: Callable[[Job], Line], jobs: Sequence[Job]) -> Reports[Job, Line]:
        for index, job in enumerate(jobs):
            ran.append(job.name)
            yield Report(job, "running", message="here")
            if index < len(states):
                yield Report(job, states[index], message="as asked")
            else:
                yield Report(job, "done", result=work(job))

    return pool


def lines_of(folder: Path) -> dict[str, dict]:
    return {line["out"]: line for line in read_records(folder / BATCH, lambda _: None, "job")}


# Tables


@pytest.mark.parametrize(
    "content",
    [
        b"video,mask,out,method,seed,size\na.mp4,a-mask.mkv,x/a.mkv,carry,3,48 96\n",
        b"\xef\xbb\xbfvideo;mask;out;method;seed;size\r\na.mp4;a-mask.mkv;x/a.mkv;carry;3;48 96\r\n;;;;;\r\n",
        b'Out\tVideo\tMask\tMethod\tSeed\tSize\r"x/a.mkv"\t"a.mp4"\ta-mask.mkv\t carry\t3\t48 96\r\r',
        b"video,mask,out,method,seed,size,dilate_px,carry.rounds\n,,,,,,,\n\n"
        b"a.mp4,a-mask.mkv,x/a.mkv,carry,3,48 96,,\n",
    ],
    ids=["plain", "bom-semicolon-crlf", "tab-cr-quotes", "empty-cells"],
)
def test_tables_as_spreadsheets_write_them(content: bytes, empty: Path) -> None:
    (empty / "jobs.csv").write_bytes(content)
    (job,) = read_jobs(Path("in/jobs.csv"), Path("out"))
    command = cli.parse(job.words)
    assert isinstance(command, Inpaint)
    assert (command.video, command.mask) == (empty / "a.mp4", empty / "a-mask.mkv")
    assert command.output == empty.parent / "out/x/a.mkv"
    assert (command.method, command.seed, command.size, command.dilate_px) == ("carry", 3, (48, 96), 4)
    assert command.resume
    assert not (empty.parent / "out").exists()


def test_options_of_all_kinds_and_words_for_every_job(empty: Path) -> None:
    header = f"{HEADER},method,schedule.each-frame-alone,network.channels,fit.learning-rate,provenance"
    rows = ["a.mp4,black.mkv,a,dip-vid,yes,8 16,0.5,where/a", "a.mp4,black.mkv,b,,no,,,", "a.mp4,black.mkv,c,,,,,"]
    jobs = read_jobs(table(empty, header, *rows), Path("out"), "carry --dilate-px 1 --fit.learning-rate 2")
    first, second, third = [cli.parse(job.words) for job in jobs]
    assert isinstance(first, Inpaint)
    assert isinstance(second, Inpaint)
    assert isinstance(third, Inpaint)
    assert [command.method for command in (first, second, third)] == ["dip-vid", "carry", "carry"]
    assert [command.dilate_px for command in (first, second, third)] == [1, 1, 1]
    assert [command.settings.fit.learning_rate for command in (first, second, third)] == [0.5, 2, 2]
    assert [command.settings.schedule.each_frame_alone for command in (first, second, third)] == [True, False, False]
    assert first.settings.network.channels == (8, 16)
    assert first.provenance == empty.parent / "out/where/a"
    assert [list(job.outputs) for job in jobs] == [["output", "provenance"], ["output"], ["output"]]
    assert jobs[0].settings != jobs[1].settings == jobs[2].settings


def test_effects_are_a_column_and_a_word_for_every_job(empty: Path) -> None:
    rows = ["a.mp4,b.mkv,a,,all", "a.mp4,b.mkv,b,,", "a.mp4,b.mkv,c,dip,off"]
    jobs = read_jobs(table(empty, f"{HEADER},method,effects", *rows), Path("out"), "--effects=off")
    assert [cli.parse(job.words).settings.effects.find for job in jobs] == ["all", "off", "off"]
    with pytest.raises(InputError, match=r"row 2 of .*: effects is all of a method that does not carry"):
        read_jobs(table(empty, f"{HEADER},method,effects", "a.mp4,b.mkv,a,dip,all"), Path("out"))


def test_a_settings_file_lies_beside_the_table_as_all_that_is_read(empty: Path) -> None:
    (empty / "set.toml").write_text("dilate-px = 7\nseed = 5\n")
    source = table(empty, f"{HEADER},settings-file,seed,extra-mask", "a.mp4,b.mkv,c,set.toml,3,d.png e.png")
    (job,) = read_jobs(source, Path("out"))
    command = cli.parse(job.words)
    assert isinstance(command, Inpaint)
    assert (command.dilate_px, command.seed) == (7, 3)
    assert command.extra_mask == (empty / "d.png", empty / "e.png")
    assert {empty / "set.toml", empty / "d.png", empty / "e.png"} <= set(job.inputs.values())


def test_every_path_of_inpaint_is_known_to_be_read_or_written() -> None:
    """Whoever adds one says which: what is written stays in the batch's folder."""
    paths = {name for name, option in options().items() if option.takes(Path) and not option.takes(tuple)}
    assert {name.replace("-", "_") for name in paths} == READ | WRITTEN
    assert {"seed", "schedule.steps-per-batch", "fit.eval-every", "provenance"} <= set(columns())


def test_images_that_options_and_masks_name_lie_beside_the_table_and_are_inputs(empty: Path) -> None:
    """A job is not done already when one of them has changed."""
    for name in ("p.png", "q.png", "logo.png"):
        (empty / name).write_text("as it was")
    (empty / "many").mkdir()
    (empty / "many/clean-00040.png").touch()
    (empty / "areas.toml").write_text('[[span]]\nimage = "logo.png"\n')
    header = f"{HEADER},method,reference,unseen.painter"
    rows = ["a.mp4,areas.toml,a,carry,0:p.png 00:00:01:02:q.png many,", "a.mp4,alpha,b,carry-learn,,net.pt"]
    first, second = read_jobs(table(empty, header, *rows), Path("out"))
    command = cli.parse(first.words)
    assert isinstance(command, Inpaint)
    assert command.reference == (f"0:{empty}/p.png", f"00:00:01:02:{empty}/q.png", f"{empty}/many")
    read = {empty / name for name in ("areas.toml", "logo.png", "p.png", "q.png", "many/clean-00040.png")}
    assert read <= set(first.inputs.values())
    command = cli.parse(second.words)
    assert isinstance(command, Inpaint)
    assert (command.mask, command.settings.unseen.painter) == (Path("alpha"), f"{empty}/net.pt")
    assert empty / "net.pt" in second.inputs.values()
    (empty / "alpha").touch()
    assert cli.parse(read_jobs(empty / "jobs.csv", Path("out"))[1].words).mask == empty / "alpha"


def test_a_folder_that_is_not_there_yet_is_not_taken_for_another(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beside it, under the name of an output or around the current folder, is in nobody's way."""
    (empty / "walk/mask").mkdir(parents=True)
    monkeypatch.chdir(empty)
    (job,) = read_jobs(table(empty, HEADER, "walk/a.mkv,walk/mask,walk"), Path("cleaned"))
    assert job.name == "walk"
    monkeypatch.chdir(empty / "walk")
    (job,) = read_jobs(empty / "jobs.csv", Path("../../results"))
    assert job.name == "walk"


def test_words_of_videos_are_not_for_jobs_that_write_images(empty: Path) -> None:
    source = table(empty, HEADER, "a.mp4,b.mkv,a.mp4", "a.mp4,b.mkv,pngs")
    jobs = read_jobs(source, Path("out"), "carry --quality 20 --seed 3")
    assert [cli.parse(job.words).encoding.quality for job in jobs] == [20, None]
    assert [cli.parse(job.words).seed for job in jobs] == [3, 3]
    with pytest.raises(InputError, match=r"row 2 of .*: a codec or a quality is given, and .*pngs is images"):
        read_jobs(table(empty, f"{HEADER},quality", "a.mp4,b.mkv,pngs,20"), Path("out"))


def test_words_for_every_job_name_no_output_and_may_begin_with_a_dash(
    empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = table(empty, HEADER, "a.mp4,b.mkv,a")
    for words in ("carry -o elsewhere.mp4", "--output=elsewhere.mp4"):
        with pytest.raises(InputError, match="names an output; each job has its own"):
            read_jobs(source, Path("out"), words)
    assert cli.parse(["batch", "in/jobs.csv", "-o", "out", "--options", "--dilate-px 8"]).options == "--dilate-px 8"


GOOD = "a.mp4,a-mask.mkv,"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((f"{HEADER},sede", f"{GOOD}x,1"), "row 1 of jobs.csv: there is no column 'sede'"),
        ((f"{HEADER},sede", f"{GOOD}x,1"), "did you mean 'seed'?"),
        ((f"{HEADER},output", f"{GOOD}x,1"), "there is no column 'output'"),
        ((f"{HEADER},overwrite", f"{GOOD}x,1"), "row 1 of jobs.csv: overwrite is no column"),
        ((f"{HEADER},seed,seed", f"{GOOD}x,1,2"), "the column seed is there twice"),
        ((f"{HEADER},", f"{GOOD}x,"), "column 4 has no name"),
        (("video,mask", "a,b"), "row 1 of jobs.csv has no column out"),
        (("nothing that is a table",), "there is no column 'nothing that is a table'"),
        ((HEADER,), "jobs.csv has no jobs"),
        (("", ""), "jobs.csv is empty"),
        ((HEADER, f"{GOOD}x", "a.mp4,,y"), "row 3 of jobs.csv has no mask"),
        ((HEADER, "", f"{GOOD}x,1"), "row 3 of jobs.csv has 4 cells; the header has 3"),
        ((HEADER, "a.mp4,a-mask.mkv"), "row 2 of jobs.csv has 2 cells; the header has 3"),
        ((HEADER, '"a.mp4,a-mask.mkv,x'), "row 2 of jobs.csv is broken (unexpected end of data)"),
        ((HEADER, '"a"b.mp4,a-mask.mkv,x'), "row 2 of jobs.csv is broken"),
        ((HEADER, f"{GOOD}{'x' * 200000}"), "row 2 of jobs.csv is broken (field larger than field limit"),
        ((HEADER, f"{GOOD}{'x' * 5000}"), "(File name too long); a writable disk with room is needed"),
        ((HEADER, f"{GOOD}x\0"), "row 2 of jobs.csv has a NUL in it"),
        ((HEADER, f"{GOOD}/tmp/x"), "row 2 of jobs.csv: /tmp/x is not in the batch's folder"),
        ((HEADER, f"{GOOD}x/../../y"), "row 2 of jobs.csv: x/../../y is not in the batch's folder"),
        ((HEADER, f"{GOOD}."), "row 2 of jobs.csv: . is not in the batch's folder"),
        ((HEADER, f"{GOOD}.lock"), "row 2 of jobs.csv: .lock is a hidden name"),
        ((HEADER, f"{GOOD}away/x"), "away/x is not in "),
        ((HEADER, f"{GOOD}link"), "link is not in "),
        ((HEADER, f"{GOOD}circle/x"), "row 2 of jobs.csv: "),
        ((HEADER, f"{GOOD}x.gif"), "x.gif ends in .gif"),
        ((HEADER, f"{GOOD}x", f"{GOOD}x"), "row 3 of jobs.csv: x is also written by row 2 of jobs.csv"),
        ((HEADER, f"{GOOD}x", f"{GOOD}x/y.mp4"), "row 3 of jobs.csv: y.mp4 lies in what row 2 of jobs.csv writes"),
        ((HEADER, f"{GOOD}x.mp4", f"{GOOD}x.mp4.work/y"), "y lies in what row 2 of jobs.csv writes"),
        ((HEADER, f"{GOOD}x", "../out/x/0.png,black.mkv,y"), "x/0.png is an input, and this batch writes there"),
        ((HEADER, f"{GOOD}x", "../out,black.mkv,y"), "is an input, and this batch writes there"),
        ((f"{HEADER},provenance", f"{GOOD}x,../y"), "../y is not in the batch's folder"),
        ((f"{HEADER},provenance", f"{GOOD}x,y", f"{GOOD}y,"), "row 3 of jobs.csv: y is also written by row 2"),
        ((f"{HEADER},provenance", f"{GOOD}x,x/y"), "each output has a place of its own"),
        ((f"{HEADER},seed", f"{GOOD}x,one"), "row 2 of jobs.csv: --seed is 'one'; a whole number is needed"),
        ((f"{HEADER},seed", f"{GOOD}x,1 --provenance=/tmp/x"), "'1 --provenance=/tmp/x'"),
        ((f"{HEADER},size", f"{GOOD}x,48 96 --provenance=/tmp/x"), "row 2 of jobs.csv: size is"),
        ((f"{HEADER},method", f"{GOOD}x,--help"), "row 2 of jobs.csv: method is '--help'"),
        ((f"{HEADER},method", f"{GOOD}x,cary"), "row 2 of jobs.csv: there is no method 'cary'"),
        ((f"{HEADER},schedule.passes", f"{GOOD}x,0"), "row 2 of jobs.csv: schedule.passes is 0"),
        ((f"{HEADER},schedule.each-frame-alone", f"{GOOD}x,maybe"), "each-frame-alone is 'maybe'; yes or no is needed"),
    ],
)
def test_a_bad_table_is_one_line_and_runs_nothing(
    rows: Sequence[str], said: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = empty.parent / "out"
    out.mkdir()
    (out / "away").symlink_to(empty)
    (out / "link").symlink_to(empty / "new")
    (out / "circle").symlink_to("circle")
    table(empty, *rows)
    refused("batch in/jobs.csv -o out", said, capsys)
    assert {path.name for path in out.iterdir()} == {"away", "link", "circle"}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("batch none.csv -o out", "none.csv is not there; a CSV table or a folder of shots is needed"),
        ("batch in/a.mp4 -o out", "a.mp4 is not UTF-8"),
        ("batch in/latin.csv -o out", "row 3 of latin.csv is not UTF-8"),
        ("batch in -o out", "no mask is there for c.mp4, d"),
        ("batch twice -o out", "a.mp4 has the masks a-mask.png and a_mask.png"),
        ("batch nothing -o out", "nothing has no shots"),
        ("batch in/good.csv -o out --options '", '--options "\'" (No closing quotation)'),
        ("batch in/good.csv -o out --options=--provenance=x", "x is not in "),
        ("batch in/good.csv -o out --workers 0", "--workers is 0"),
        ("batch in/good.csv -o out --retries -1", "--retries is -1"),
        ("batch in/good.csv -o out --on ray --cpus-per-job 0", "--cpus-per-job is 0"),
        ("batch in/good.csv -o in/a.mp4", "in/a.mp4"),
        ("batch in/good.csv", "-o PATH"),
    ],
)
def test_bad_input_is_one_line(words: str, said: str, empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (empty / "latin.csv").write_bytes(b"video,mask,out\na,b,c\na,b,\xe9\n")
    table(empty, HEADER, f"{GOOD}x", name="good.csv")
    for name in ("a.mp4", "a-mask.mkv", "c.mp4", "d/1.png"):
        (empty / name).parent.mkdir(exist_ok=True)
        (empty / name).write_bytes(b"\xff")
    (empty.parent / "twice").mkdir()
    (empty.parent / "nothing").mkdir()
    for name in ("a.mp4", "a-mask.png", "a_mask.png"):
        (empty.parent / "twice" / name).touch()
    refused(words, said, capsys)
    assert not (empty.parent / "out").exists()


def test_a_folder_of_shots(shots_here: Path) -> None:
    (shots_here / "black.mkv").unlink()
    for name in (
        "c.MOV",
        "d.avi",
        "masks/c.png",
        "masks/d.mp4",
        "e.mp4",
        "e-mask.toml",
        "notes.txt",
        "old/text.txt",
        ".hidden.mp4",
        "out/z.png",
    ):
        (shots_here / name).parent.mkdir(exist_ok=True)
        (shots_here / name).touch()
    jobs = read_jobs(Path("in"), Path("in/out"), "carry")
    assert {job.name: job.inputs["mask"].relative_to(shots_here).as_posix() for job in jobs} == {
        "a.mp4": "a-mask.mkv",
        "b": "b_mask",
        "c.mov": "masks/c.png",
        "d.mp4": "masks/d.mp4",
        "e.mp4": "e-mask.toml",
    }


# What is run


def test_only_what_is_missing_or_changed_is_run(shots_here: Path) -> None:
    out = shots_here.parent / "out"
    rows = ["a.mp4,a-mask.mkv,a.mkv,0,where/a", "a.mp4,black.mkv,bad.mkv,0,", "b,b_mask,deep/b,0,"]

    def run(*rows: str, **options: Any) -> list[str]:
        ran: list[str] = []
        source = table(shots_here, f"{HEADER},seed,provenance", *rows)
        lines = run_batch(read_jobs(source, out, "carry"), out, in_this_process(ran), **options)
        assert [line["state"] for line in lines] == ["failed" if line["out"] == "bad.mkv" else "done" for line in lines]
        assert {line["out"] for line in lines} <= set(lines_of(out))
        return ran

    assert run(*rows) == ["a.mkv", "bad.mkv", "deep/b"]
    assert lines_of(out)["bad.mkv"]["message"].startswith(f"{shots_here / 'black.mkv'} has no hole")
    assert run(*rows) == ["bad.mkv"]
    assert run(rows[0], rows[2]) == []
    # Another setting, another content, another time, an output that is gone.
    assert run(rows[0].replace(",0,", ",1,"), rows[2]) == ["a.mkv"]
    os.utime(shots_here / "b/00003.png", (1, 1))
    assert run(rows[0].replace(",0,", ",1,"), rows[2]) == ["deep/b"]
    (out / "where/a/00000.png").unlink()
    (out / "where/a").rename(out / "gone")
    assert run(rows[0].replace(",0,", ",1,"), rows[2]) == ["a.mkv"]
    # An output that somebody else has written is not replaced unasked.
    (out / "deep/b/00000.png").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"row 3 of jobs.csv: .*/deep/b is already there, and not as this batch"):
        run(*(rows[0], rows[2]))
    assert (out / "deep/b/00000.png").read_bytes() == b"mine"
    assert run(rows[0].replace(",0,", ",1,"), rows[2], overwrite=True) == ["deep/b"]
    assert len(read_frames(out / "deep/b")[0]) == 6
    (out / "new").mkdir()
    with pytest.raises(InputError, match=r"row 2 of jobs.csv: .*/new is already there"):
        run("a.mp4,a-mask.mkv,new,0,")
    (out / "other.work").mkdir()
    (out / "other.work/run.json").write_text("{}")
    with pytest.raises(InputError, match=r"row 2 of jobs.csv: .*/other.work holds an unfinished run"):
        run("a.mp4,a-mask.mkv,other,0,")


def test_a_run_that_ended_before_it_could_tell(shots_here: Path) -> None:
    """Its line says running: what lies there is its own, and is made again; what was half-written is removed."""
    out = shots_here.parent / "out"
    (job,) = read_jobs(table(shots_here, HEADER, f"{GOOD}a"), out, "carry")
    ran: list[str] = []
    run_batch([job], out, in_this_process(ran))
    line = lines_of(out)["a"]
    (out / BATCH).write_text(json.dumps(line | {"state": "running", "outputs": {}}) + "\n")
    (out / ".a.partial123").mkdir()
    (out / ".batch.jsonl.partial1").mkdir()
    (out / ".other.partial1").mkdir()
    run_batch([job], out, in_this_process(ran))
    assert ran == ["a", "a"]
    assert {path.name for path in out.iterdir()} == {".lock", "a", BATCH, ".other.partial1"}


def test_lost_and_tried_again(shots_here: Path) -> None:
    out = shots_here.parent / "out"
    jobs = read_jobs(table(shots_here, HEADER, f"{GOOD}a", f"{GOOD}b"), out, "carry")
    first, _ = run_batch(jobs, out, in_this_process([], ["lost"]))
    assert (first["state"], first["message"], first["tries"]) == ("lost", "as asked", 1)
    ran: list[str] = []
    assert [line["state"] for line in run_batch(jobs, out, in_this_process(ran))] == ["done", "done"]
    assert ran == ["a"]


def test_interrupted_between_jobs(shots_here: Path) -> None:
    out = shots_here.parent / "out"
    jobs = read_jobs(table(shots_here, HEADER, f"{GOOD}a", f"{GOOD}b", f"{GOOD}c"), out, "carry")

    def pool(work: Callable[[Job], Line], jobs: Sequence[Job]) -> Reports[Job, Line]:
        yield Report(jobs[0], "running")
        yield Report(jobs[0], "done", result=work(jobs[0]))
        yield Report(jobs[1], "running")
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(cli.Cancelled, match=r"2 of 3 jobs were not run to their end \(b, c\)"):
        run_batch(jobs, out, pool)
    assert [lines_of(out)[name]["state"] for name in "abc"] == ["done", "waiting", "waiting"]
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_folder_is_of_one_run_at_a_time_and_its_table_is_checked(shots_here: Path) -> None:
    out = shots_here.parent / "out"
    out.mkdir()
    jobs = read_jobs(table(shots_here, HEADER, f"{GOOD}a"), out)
    with FileLock(out / ".lock"), pytest.raises(InputError, match="in use by another run"):
        run_batch(jobs, out, in_this_process([]))
    (out / BATCH).write_text('{"out": "a"}\n')
    with pytest.raises(InputError, match=r"line 1 of .*batch.jsonl is broken \(KeyError: 'state'\)"):
        run_batch(jobs, out, in_this_process([]))


def test_a_mistake_of_ours_is_one_line_and_its_traceback_is_kept(
    shots_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(self: Inpaint) -> None:
        print("to stdout")
        print("aside", file=sys.stderr)
        raise ValueError("a mistake\nof ours")

    monkeypatch.setattr(Inpaint, "run", broken)
    (job,) = read_jobs(table(shots_here, HEADER, f"{GOOD}a"), shots_here.parent / "out")
    line = attempt(job)
    assert (line["state"], line["message"], line["asides"]) == ("failed", "ValueError: a mistake of ours", "aside\n")
    assert "in broken" in line["traceback"]
    assert capsys.readouterr() == ("", "")


# Processes


def test_processes_that_end_in_every_way() -> None:
    said = {(report.item, report.state): report for report in here(ended, ["9", "fine", "raise"], workers=2)}
    assert said["fine", "done"].result == "fine"
    assert str(said["raise", "failed"].error) == "given; needed; fix"
    assert said["9", "lost"].message == "its process was ended by signal 9 (Killed; out of memory?)"
    states = [(report.state, report.again) for report in here(ended, ["exit"], workers=1, retries=1)]
    assert states == [("running", False), ("lost", True), ("running", False), ("lost", False)]


def start(folder: Path, words: str = "", out: str = "out", **environment: str) -> Running:
    return Running(f"batch in/jobs.csv -o {out} {words}", folder, **environment)


def process_of(driver: Running, out: Path, name: str) -> int:
    """The process that learns, once it has saved something."""
    for _ in range(1200):
        if list(out.glob(f"{name}.work/*.pt")):
            return int(lines_of(out)[name]["message"].split()[1])
        assert driver.code is None, driver.end()
        time.sleep(0.05)
    raise AssertionError("nothing was saved")


def is_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def slow(steps: int) -> str:
    return f"dip-vid,8 16,reflect,{steps},0,{steps},log"


def test_one_fails_one_is_killed_and_the_rest_go_on(shots_here: Path) -> None:
    folder, out = shots_here.parent, shots_here.parent / "out"
    header = f"{HEADER},method,{LEARN}"
    rows = [f"{GOOD}slow,{slow(80)}", f"{GOOD}a,carry,,,,,,", "a.mp4,black.mkv,bad,carry,,,,,,"]
    table(shots_here, header, *rows)
    driver = start(folder, "--workers 2")
    os.kill(process_of(driver, out, "slow"), signal.SIGKILL)
    code, said, errors = driver.end(100)
    assert code == 1
    assert [row.split()[:2] for row in said.splitlines()[1:]] == [["slow", "lost"], ["a", "done"], ["bad", "failed"]]
    assert "slow: lost: its process was ended by signal 9" in errors
    assert "bad: failed: " in errors
    assert "Traceback" not in errors
    first = (out / "slow.work/steps.jsonl").read_text().splitlines()[0]
    made = {path: path.stat().st_mtime_ns for path in (out / "a").iterdir()}
    table(shots_here, header, *rows[:2])
    driver = start(folder, "--workers 2 --json")
    code, said, errors = driver.end(100)
    assert (code, [line["state"] for line in json.loads(said)]) == (0, ["done", "done"])
    assert "cleanplate: INFO: 1 of 2 are done already" in errors
    assert made == {path: path.stat().st_mtime_ns for path in (out / "a").iterdir()}
    steps = (out / "log/steps.jsonl").read_text().splitlines()
    assert len(steps) == 80
    assert steps[0] == first  # with its time: it went on where it was
    assert json.loads(steps[-1])["step"] == 80


def test_killed_then_interrupted(shots_here: Path) -> None:
    folder, out = shots_here.parent, shots_here.parent / "out"
    table(shots_here, f"{HEADER},method,{LEARN}", f"{GOOD}slow,{slow(10**6)}", f"{GOOD}a,carry,,,,,,")
    driver = start(folder)
    worker = process_of(driver, out, "slow")
    driver.kill()
    assert is_gone(worker)
    assert lines_of(out)["slow"]["state"] == "running"
    before = len((out / "slow.work/steps.jsonl").read_bytes().splitlines())
    driver = start(folder)
    while lines_of(out)["slow"]["message"].split()[1:2] in ([str(worker)], []):
        time.sleep(0.05)
    worker = process_of(driver, out, "slow")
    while len((out / "slow.work/steps.jsonl").read_bytes().splitlines()) <= before + 20:
        assert driver.code is None
        time.sleep(0.05)
    asked = time.monotonic()
    driver.send(signal.SIGTERM)
    code, said, errors = driver.end(60)
    assert time.monotonic() - asked < workers.GRACE_S
    assert (code, said) == (130, "")
    assert errors.startswith("cleanplate: interrupted; 2 of 2 jobs were not run to their end (slow, a); the same")
    assert errors.count("\n") == 1
    assert is_gone(worker)
    assert [lines_of(out)[name]["state"] for name in ("slow", "a")] == ["waiting", "waiting"]
    assert {path.name for path in out.iterdir()} == {".lock", BATCH, "slow.work", "log"}


CLUSTER = """
import sys
from ray.cluster_utils import Cluster
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
print("at", cluster.address, flush=True)
sys.stdin.read()
cluster.shutdown()
"""


def test_a_cluster_that_loses_a_worker(shots_here: Path) -> None:
    """A job whose worker is killed in the middle is tried again, goes on where it was, and finishes."""
    out = shots_here.parent / "out"
    header = f"{HEADER},method,{LEARN}"
    table(shots_here, header, f"{GOOD}slow,{slow(80)}", "a.mp4,black.mkv,bad,carry,,,,,,")
    words = [sys.executable, "-c", CLUSTER]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as cluster:
        assert cluster.stdout is not None
        address = next(line.split()[1] for line in cluster.stdout if line.startswith("at "))
        driver = start(shots_here.parent, "--on ray --json", RAY_ADDRESS=address)
        killed = process_of(driver, out, "slow")
        os.kill(killed, signal.SIGKILL)
        over = start(shots_here.parent, "--on ray --cpus-per-job 3", "other", RAY_ADDRESS=address)
        code, said, errors = driver.end(200)
        refused_code, _, refusal = over.end(100)
    lines = {line["out"]: line for line in json.loads(said)}
    assert code == 1
    assert {name: (line["state"], line["tries"]) for name, line in lines.items()} == {
        "slow": ("done", 2),
        "bad": ("failed", 1),
    }
    assert "slow: lost: its worker was lost (WorkerCrashedError); it is tried again" in errors
    assert "has no hole" in lines["bad"]["message"]
    assert len((out / "log/steps.jsonl").read_bytes().splitlines()) == 80
    assert not (out / "slow.work").exists()
    assert len(read_frames(out / "slow")[0]) == 6
    assert refused_code == 2
    assert "no machine of the Ray cluster has 3 CPU" in refusal


def test_without_ray(shots_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(ray.importlib.util, "find_spec", lambda _: None)
    table(shots_here, HEADER, f"{GOOD}x")
    refused("batch in/jobs.csv -o out --on ray", 'pip install "cleanplate[ray]"', capsys)


def test_a_dead_address(shots_here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("RAY_ADDRESS", f"127.0.0.1:{nobody.getsockname()[1]}")
        table(shots_here, HEADER, f"{GOOD}x")
        refused("batch in/jobs.csv -o out --on ray", "Ray cannot be reached at 127.0.0.1:", capsys)
