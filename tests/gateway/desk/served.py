"""The real desk and enforcer in a thread with a loop of its own, for callers that block: generated requests and state machines."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

from tests.gateway.desk.conftest import Place, open_place

_T = TypeVar("_T")


class Served:
    """One place, and a way to run what belongs into its loop."""

    def __init__(self, folder: Path) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True, name="served")
        self._thread.start()
        self._stack = AsyncExitStack()
        self.place: Place = self.run(self._open(folder))

    async def _open(self, folder: Path) -> Place:
        return await self._stack.enter_async_context(open_place(folder))

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the place's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(120)

    def call(self, function: Any, *arguments: Any) -> Any:
        """Call a function in the place's thread and return its result."""
        async def calling() -> Any:
            return function(*arguments)

        return self.run(calling())

    def close(self) -> None:
        """Take it down."""
        self.run(self._stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(30)
        self.loop.close()
