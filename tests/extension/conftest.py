"""The extension in a real browser."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.extension.browser import Chromium, Pages, chromium


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
