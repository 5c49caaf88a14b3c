"""The extension in a real browser, against the real desk and enforcer."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.config import Notices
from tests.acceptance.conftest import Stage
from tests.extension.browser import Chromium, Pages, chromium
from tests.extension.people import Office
from tests.extension.relay import Relay


@pytest.fixture
async def pages() -> AsyncIterator[Pages]:
    """The hosts that the browser visits."""
    hosts = Pages()
    await hosts.start()
    yield hosts
    await hosts.stop()


@pytest.fixture
async def browser(pages: Pages, tmp_path: Path) -> AsyncIterator[Chromium]:
    """A fresh profile with the extension in it."""
    async with chromium(tmp_path / "profile", pages.port) as running:
        yield running


class Robot:
    """A group's robot on loopback: what it was told is in `said`."""

    def __init__(self) -> None:
        said: list[str] = []

        class Answer(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                said.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_args: object) -> None:
                """Say nothing."""

        self.said, self._server = said, ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        threading.Thread(target=self._server.serve_forever, daemon=True, name="robot").start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="session")
def robot() -> Iterator[Robot]:
    """The group's robot that the company's notices go to."""
    made = Robot()
    yield made
    made.close()


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory, robot: Robot) -> Iterator[Stage]:
    """The sandbox and both processes with the sample company; no WordPress."""
    made = Stage(tmp_path_factory.mktemp("stage") / "demo", wordpress=False, notices=Notices(robot=robot.url, robot_kind="json"))
    made.start()
    yield made
    made.close()


@pytest.fixture
async def relay(stage: Stage) -> AsyncIterator[Relay]:
    """The wire to the desk."""
    wire = Relay(urlsplit(stage.set.settings.desk_url).port or 0)
    await wire.start()
    yield wire
    await wire.stop()


@pytest.fixture
async def office(stage: Stage, relay: Relay, pages: Pages, tmp_path: Path) -> AsyncIterator[Office]:
    """A browser whose way to the desk leads over the relay, and the people of the company at their counter."""
    wire = f"MAP {urlsplit(stage.set.settings.desk_url).netloc} 127.0.0.1:{relay.port}"
    async with chromium(tmp_path / "profile", pages.port, wire) as running:
        yield Office(stage.set, running, relay)
