"""The extension in a real browser, against the real desk and enforcer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

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


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The sandbox and both processes with the sample company; no WordPress."""
    made = Stage(tmp_path_factory.mktemp("stage") / "demo", wordpress=False)
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
