"""Fixtures: the staffed house by hand, its counter, and two armed people."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.enforcer.counter.kit import Front, counter_over
from tests.gateway.enforcer.house import House


@pytest.fixture
async def front(house: House, tmp_path: Path) -> AsyncIterator[Front]:
    """Open the counter of a house on the WeChat sandbox; its timers stand still, and 顾长庚 and 方小满 have real codes."""
    await house.lifecycle._stop_timers()
    async with counter_over(house, tmp_path) as opened:
        await opened.arm("gu", "fang")
        yield opened
