"""The studio in a real browser: what nobody must do."""

import re
import shutil
import time
import urllib.parse
from pathlib import Path
from typing import Any

import pytest

from cleanplate import cli
from cleanplate.studio.project import MOST_NAME
from tests.studio.page import Opened, Shot, upload
from tests.studio.server import LIMIT_MB, Server, computed_s


def test_wrong_files_are_refused_in_words(opened: Opened, server: Server, tmp_path: Path) -> None:
    page = opened(f"{server.address}?shot=gone")
    page.get_by_text("The shot of this address is not kept any more").wait_for()
    (tmp_path / "notes.mp4").write_text("this is no video\n" * 50)
    page.set_input_files("#upload input[type=file]", str(tmp_path / "notes.mp4"))
    page.get_by_text("notes.mp4 is not a video that can be decoded").wait_for()
    assert str(server.folder) not in page.inner_text("body")  # the user's own name for it, and no path of ours

    (tmp_path / "notes.txt").write_text("this is no video\n" * 50)
    page.set_input_files("#upload input[type=file]", str(tmp_path / "notes.txt"))
    page.get_by_text(re.compile("invalid file type", re.I)).first.wait_for()

    (tmp_path / "large.mp4").write_bytes(bytes(LIMIT_MB * 2**20 + 1))
    page.set_input_files("#upload input[type=file]", str(tmp_path / "large.mp4"))
    page.get_by_text(re.compile("exceed the maximum", re.I)).first.wait_for()
    assert page.locator("#demo").is_visible()  # one can go on
    (root,) = server.folder.glob("cleanplate-studio-*")
    assert all(path.stat().st_size <= LIMIT_MB * 2**20 for path in root.rglob("*.mp4"))


CALL = """async ([name, data, event]) => {
  const config = await (await fetch('config')).json();
  const call = config.dependencies.find((one) => one.targets.some(([, what]) => what === name) && one.backend_fn);
  const session = Math.random().toString(36).slice(2);
  const head = {'Content-Type': 'application/json'};
  await fetch('gradio_api/queue/join', {method: 'POST', headers: head, body: JSON.stringify(
    {data, event_data: event, fn_index: call.id, session_hash: session, trigger_id: call.targets[0][0]})});
  const answer = await (await fetch('gradio_api/queue/data?session_hash=' + session)).body.getReader();
  let said = '';
  for (;;) {
    const {value, done} = await answer.read();
    if (done) return said;
    said += new TextDecoder().decode(value);
    if (said.includes('process_completed')) return said;
  }
}"""


def test_no_path_leads_out(opened: Opened, server: Server, shot: Shot, tmp_path: Path) -> None:
    page = opened()
    upload(page, shot.path)
    token = urllib.parse.parse_qs(urllib.parse.urlparse(page.url).query)["shot"][0]
    (project,) = [path for path in server.projects if path.name == token]
    secret = server.folder / "secret.mp4"
    shutil.copy(shot.path, secret)

    def status(path: str) -> int:
        return page.evaluate("async (path) => (await fetch('gradio_api/file=' + path)).status", path)

    assert status(f"{project}/source.mp4") == 200
    beside = urllib.parse.quote(f"{project}/../../../../secret.mp4", safe="")
    for path in ("/etc/passwd", str(secret), beside, f"{project}/%2e%2e/%2e%2e/%2e%2e/secret.mp4", str(project)):
        assert status(path) == 403, path
    # Gradio would fetch this; the studio does not even look.
    elsewhere = page.request.get(f"{server.address}gradio_api/file=http://example.com/video.mp4")
    assert (elsewhere.status, elsewhere.text()) == (403, "not here")

    # An event that names a file which was never uploaded.
    data = {"path": str(secret), "orig_name": "secret.mp4", "meta": {"_type": "gradio.FileData"}}
    said = page.evaluate(CALL, ["upload", [token, data, "secret.mp4"], None])
    assert '"success":false' in said.replace(" ", "")
    assert secret.exists()

    # A name with a path in it: it lands in the uploads' folder all the same.
    answer = page.evaluate(
        """async () => {
          const form = new FormData();
          form.append('files', new Blob(['x']), '../../../../evil.mp4');
          return (await fetch('gradio_api/upload', {method: 'POST', body: form})).json();
        }"""
    )
    (root,) = server.folder.glob("cleanplate-studio-*")
    assert (root / "uploads") in Path(answer[0]).resolve().parents
    assert not list(server.folder.glob("evil.mp4")) + list(server.folder.parent.glob("evil.mp4"))

    # Marks from outside are numbers in the picture, or nothing.
    no_png = "data:image/png;base64,AAAA"
    for event in (
        {"frame": "../../x", "clear": True},
        {"frame": 99, "box": [0, 0, 9, 9]},
        {"frame": 1, "box": [0, 0]},
        {"frame": 1, "painted": no_png},
        {"frame": 1, "click": [1e9, 2]},
        [1],
    ):
        page.evaluate(CALL, ["input", [token], event])
    page.reload()
    page.wait_for_selector("#marker .screen[data-shown]")
    assert page.locator("#marker .jump .marked").count() == 0


def test_a_password_is_asked_for(
    servers: tuple[Server, Server], browser: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["studio", "--host", "0.0.0.0", "--no-browser"]) == 2
    assert "--host 0.0.0.0 opens the page to other computers; a password is needed then" in capsys.readouterr().err
    guarded = servers[1]
    page = browser.new_page()
    page.goto(guarded.address)
    page.get_by_role("button", name=re.compile("log ?in", re.I)).wait_for()
    assert page.locator("#demo").count() == 0
    for path in ("config", "gradio_api/file=/etc/passwd"):
        assert page.request.get(guarded.address + path).status == 401
    answers = [
        page.request.post(f"{guarded.address}login", form={"username": "me", "password": word}).status
        for word in ("guess", "open sesame")
    ]
    assert answers == [400, 200]
    page.goto(guarded.address)
    page.wait_for_selector("#demo")
    # Another name for this machine, as a page elsewhere might have given it.
    assert page.request.get(guarded.address, headers={"Host": "evil.example"}).status == 400
    page.close()


def test_a_file_is_kept_under_all_of_its_name() -> None:
    pytest.importorskip("starlette")
    from cleanplate.studio.server import Guard

    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "headers": []})

    async def send(message: Any) -> None:
        sent.append(message)

    name = "a" * MOST_NAME + "-provenance.mkv"
    scope = {"type": "http", "method": "GET", "path": "/file=x", "query_string": f"keep={name}".encode()}
    with pytest.raises(StopIteration):  # it waits for nothing
        Guard(app)(scope, None, send).send(None)
    assert dict(sent[0]["headers"])[b"content-disposition"] == f"attachment; filename*=utf-8''{name}".encode()


UPLOAD = "gradio_api/upload"
FILE = {"files": {"name": "shot.mp4", "mimeType": "video/mp4", "buffer": b"x"}}


def test_other_pages_can_send_nothing_and_show_nothing(browser: Any, server: Server) -> None:
    page = browser.new_page()
    (root,) = server.folder.glob("cleanplate-studio-*")
    here = server.address.rstrip("/")
    host = here.partition("//")[2]
    before = list(root.glob("uploads/*"))
    for told in (
        {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": here, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": f"http://evil.example/{host}"},
        {"Origin": "http://127.0.0.1"},  # another port
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
    ):
        answer = page.request.post(server.address + UPLOAD, headers=told, multipart=FILE)
        assert (answer.status, answer.text()) == (403, "not from another page"), told
    assert list(root.glob("uploads/*")) == before
    for told in (
        {},
        {"Origin": here},
        {"Origin": f"https://{host}"},  # behind a proxy that encrypts
        {"Origin": "https://studio.example", "X-Forwarded-Host": "studio.example:443, inner.example"},
        {"Origin": "https://studio.example", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ):
        assert page.request.post(server.address + UPLOAD, headers=told, multipart=FILE).status == 200, told
    look = page.request.get(server.address, headers={"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"})
    assert (look.status, look.headers["content-security-policy"]) == (200, "frame-ancestors 'self'")
    page.close()


def test_what_nobody_uses_leaves_the_processor_alone(servers: tuple[Server, Server]) -> None:
    process = servers[1].process.pid

    def share(of_s: float) -> float:
        before = computed_s(process)
        time.sleep(of_s)
        return (computed_s(process) - before) / of_s

    # Once it has nothing to tidy up any more.
    assert min(share(1.0) for _ in range(3)) < 0.03
