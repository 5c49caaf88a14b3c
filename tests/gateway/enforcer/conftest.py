"""Fixtures: a WeChat sandbox and a staffed house that sends to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

ROOT = str(Path(__file__).parents[3])
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from gateway.connectors.wechat import WeChatConnector  # noqa: E402
from gateway.sandbox.running import running_wechat  # noqa: E402
from gateway.sandbox.wechat.app import WeChat  # noqa: E402
from tests.gateway.enforcer.house import House, found_house, open_house  # noqa: E402
from tests.gateway.enforcer.scripted import Scripted  # noqa: E402

CANARY = "canary-7f3a9b51c2d84e60"
"""A credential that must never be seen anywhere but at the platform."""


@pytest.fixture
async def wechat() -> AsyncIterator[WeChat]:
    """Run a WeChat sandbox whose reviews pass at once."""
    async with running_wechat() as running:
        running.account().publish_seconds = 0.1
        yield running


@pytest.fixture
async def house(tmp_path: Path, wechat: WeChat) -> AsyncIterator[House]:
    """Open a staffed house with a company channel `news` and an own channel `unit` on the sandbox."""
    founded = found_house(tmp_path, bases={"wechat": wechat.base_url})
    async with open_house(tmp_path, {"wechat": WeChatConnector()}, codes=founded.codes) as opened:
        await opened.staff()
        account = wechat.account()
        await opened.add_channel("news", "wechat", account.appid, {"appid": account.appid, "secret": account.secret})
        yield opened


@pytest.fixture
def scripted() -> Scripted:
    """Return a platform whose answers the test sets."""
    return Scripted()


@pytest.fixture
async def hand(tmp_path: Path, scripted: Scripted) -> AsyncIterator[House]:
    """Open a staffed house with a channel `news` on the scripted platform; its timers stand still, the test drives the gate by hand."""
    founded = found_house(tmp_path)
    async with open_house(tmp_path, {"wordpress": scripted}, codes=founded.codes) as opened:
        await opened.staff()
        await opened.add_channel("news", "wordpress", "board1", {"key": CANARY}, settings={"daily_limit": "100"})
        await opened.lifecycle._stop_timers()
        yield opened
