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
from tests.gateway.enforcer.house import House, open_house  # noqa: E402
from tests.gateway.enforcer.moulds import keeper, lay  # noqa: E402
from tests.gateway.enforcer.scripted import Scripted  # noqa: E402

APPID, SECRET = "wx5f0b3c9d2e8a7164", "3d1c9f5a7e2b8046d1c9f5a7e2b80461"
"""The sandbox account whose credential every copy of the house holds."""

CANARY = "canary-7f3a9b51c2d84e60"
"""A credential that must never be seen anywhere but at the platform."""


@pytest.fixture
async def wechat() -> AsyncIterator[WeChat]:
    """Run a WeChat sandbox whose reviews pass at once."""
    async with running_wechat() as running:
        running.state.accounts.clear()
        running.add_account(appid=APPID, secret=SECRET).publish_seconds = 0.1
        yield running


async def _news(house: House) -> None:
    await house.add_channel("news", "wechat", APPID, {"appid": APPID, "secret": SECRET})


@pytest.fixture
async def house(tmp_path: Path, wechat: WeChat) -> AsyncIterator[House]:
    """Open a staffed house with a company channel `news` on the sandbox."""
    connectors = {"wechat": WeChatConnector()}
    await lay(tmp_path, "wechat", connectors=connectors, prepare=_news, bases={"wechat": wechat.base_url})
    async with open_house(tmp_path, connectors, worker=keeper()) as opened:
        yield opened


@pytest.fixture
def scripted() -> Scripted:
    """Return a platform whose answers the test sets."""
    return Scripted()


async def _board(house: House) -> None:
    await house.add_channel("news", "wordpress", "board1", {"key": CANARY}, settings={"daily_limit": "100"})


@pytest.fixture
async def hand(tmp_path: Path, scripted: Scripted) -> AsyncIterator[House]:
    """Open a staffed house with a channel `news` on the scripted platform; its timers stand still, the test drives the gate by hand."""
    await lay(tmp_path, "board", connectors={"wordpress": Scripted()}, prepare=_board)
    async with open_house(tmp_path, {"wordpress": scripted}, worker=keeper()) as opened:
        await opened.lifecycle._stop_timers()
        yield opened
