"""The canary: known credentials are in use, and stand in no file, log line, page, metric, entry or environment of ours."""

from __future__ import annotations

import base64
import html
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest
from playwright.sync_api import Page, sync_playwright

from gateway.demo.play import Story
from tests.acceptance.conftest import Stage

pytestmark = pytest.mark.xdist_group("stage")


def needles(stage: Stage) -> list[bytes]:
    """Return every form in which a leaked credential could stand somewhere."""
    assert len(stage.set.secrets) == 5, "one credential a sample channel, or there is nothing to look for"
    assert all(len(secret) >= 8 for secret in stage.set.secrets)
    found: list[bytes] = []
    for secret in (*stage.set.secrets, *(base64.b32encode(s).decode() for s in stage.set.staffed.secrets.values())):
        raw = secret.encode()
        found += [raw, base64.b64encode(raw).rstrip(b"="), raw.hex().encode()]
    return found + [bytes(s) for s in stage.set.staffed.secrets.values()]


def places(stage: Stage) -> Iterator[Path]:
    """Yield every file that our processes write, but not the sandbox platforms' and the site's own."""
    root = stage.set.config.parent
    for folder in ("data", "run", "copies", "backups", "serve.log", "qianfa.toml"):
        path = root / folder
        yield from (p for p in (path.rglob("*") if path.is_dir() else [path]) if p.is_file())


def children(pid: int) -> list[int]:
    """Return a process and everything below it."""
    found = [pid]
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) in found:
            found.append(int(folder.name))
    return found


def test_no_credential_stands_in_any_file(stage: Stage, story: Story) -> None:
    """Databases, blobs, logs, sockets' folders and settings hold no credential and no seed in any spelling."""
    wanted = needles(stage)
    checked = 0
    for path in places(stage):
        data = path.read_bytes()
        checked += 1
        for needle in wanted:
            assert needle not in data, f"{path.name} holds a credential"
    assert checked > 20


def test_no_credential_stands_in_any_environment_or_command_line(stage: Stage, story: Story) -> None:
    """Neither process, nor the worker, carries a credential in environment or arguments; the desk not even the key file's name."""
    wanted = needles(stage)
    pids = children(stage.set.serving.pid)
    assert len(pids) >= 3
    for pid in pids:
        for name in ("environ", "cmdline"):
            data = Path(f"/proc/{pid}/{name}").read_bytes()
            assert not any(needle in data for needle in wanted)


def test_the_desk_runs_as_another_user_and_cannot_read_the_enforcer(stage: Stage) -> None:
    """Two operating-system users: the enforcer's folder is closed to the desk's."""
    uids = {pid: Path(f"/proc/{pid}").stat().st_uid for pid in children(stage.set.serving.pid)}
    assert len(set(uids.values()) - {0}) == 2
    data = stage.set.settings.enforcer_data
    assert data.stat().st_mode & 0o077 == 0
    assert stage.set.settings.desk_data.stat().st_uid != data.stat().st_uid


def crawled(page: Page, start: str) -> Iterator[tuple[str, bytes]]:
    """Yield every page of one host that links lead to from `start`, with its address; an answer of any status counts."""
    page.goto(start)
    waiting, seen = [start, urljoin(start, "/nowhere")], {start}
    while waiting:
        address = waiting.pop(0)
        text = page.evaluate("(url) => fetch(url).then((answer) => answer.text())", address)
        yield address, text.encode()
        for link in re.findall(r'(?:href|src|hx-get)="([^"#]+)', text):
            found = urljoin(address, html.unescape(link))
            if urlsplit(found).netloc == urlsplit(start).netloc and found not in seen and len(seen) < 40:
                seen.add(found)
                waiting.append(found)


def test_no_credential_stands_on_any_page_or_in_any_temporary_file(stage: Stage, story: Story) -> None:
    """Who sees the most sees no credential: desk, counter and its inner pages as a founder, previews and faults too; nothing is left in the folder for temporary files."""
    wanted, settings = needles(stage), stage.set.settings
    inside = f"http://counter.localhost:{settings.counter_inside.port}"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", headless=True, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(locale="zh-CN").new_page()
        page.goto(f"{settings.counter_url}/s/demo")
        page.locator(f"form:has(input[value='{stage.set.staffed.people['xu']}']) button").click()
        page.wait_for_url("**/s/**")
        page.goto(settings.desk_url + "/sign-in")
        if page.url.startswith(settings.counter_url):
            page.locator("form[action*='desk-signin'] button").first.click()
        page.wait_for_url(settings.desk_url + "/**")
        pages = {address: body for start in (f"{settings.desk_url}/", f"{settings.counter_url}/s/", f"{inside}/i/changes")
                 for address, body in crawled(page, start)}
        browser.close()
    assert [address for address, body in pages.items() if any(needle in body for needle in wanted)] == []
    for part in ("/channels", "/publications", "/i/changes", "/s/"):
        assert any(part in address for address in pages), (part, len(pages))
    owners = {settings.enforcer_data.stat().st_uid, settings.desk_data.stat().st_uid} - {0}
    left = [path for path in Path(tempfile.gettempdir()).rglob("*") if path.is_file() and path.stat().st_uid in owners]
    assert [path for path in left if any(needle in path.read_bytes() for needle in wanted)] == []


def test_the_enforcer_cannot_be_dumped(stage: Stage) -> None:
    """The process that holds keys leaves no core, and root alone may read its memory (proc(5): not dumpable); its worker holds none."""
    serving, mine = stage.set.serving.pid, []
    enforcer_uid = stage.set.settings.enforcer_data.stat().st_uid
    for pid in children(serving):
        status = Path(f"/proc/{pid}/status").read_text()
        if f"Uid:\t{enforcer_uid}\t" in status and f"PPid:\t{serving}\n" in status:
            limits = Path(f"/proc/{pid}/limits").read_text()
            core = next(line for line in limits.splitlines() if line.startswith("Max core file size"))
            mine.append((core.split()[4:6], Path(f"/proc/{pid}/mem").stat().st_uid))
    assert mine == [(["0", "0"], 0)]
