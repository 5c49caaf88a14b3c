"""The whole of it, running: sandbox, a real WordPress, both processes; one stage for all acceptance tests of a worker."""

from __future__ import annotations

import asyncio
import io
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypeVar

import pytest
from rich.console import Console

from gateway.demo.backdrop import Backdrop, backdrop
from gateway.demo.play import PLAYERS, Story, enter_players
from gateway.demo.samples import add_samples

_T = TypeVar("_T")


class Stage:
    """A backdrop that lives in a thread with a loop of its own, so that any kind of test may use it."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self._folder, self._options = folder, options
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._loop = asyncio.new_event_loop()
        self._error: BaseException | None = None
        self.players_stack = AsyncExitStack()
        self._thread = threading.Thread(target=self._run, daemon=True, name="stage")
        self.set: Backdrop

    def start(self) -> None:
        """Put it up, or raise what went wrong."""
        self._thread.start()
        self._ready.wait()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main())
        except BaseException as error:
            self._error = error
        finally:
            self._ready.set()
            self._loop.close()

    async def _main(self) -> None:
        async with backdrop(self._folder, **self._options) as running:
            self.set = running
            self._ready.set()
            await self._stop.wait()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the stage's loop and return its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(300)

    async def play(self) -> Story:
        """Play the acts of the demo that leave something to look at, and add its samples."""
        players = await enter_players(self.players_stack, self.set, PLAYERS)
        story = Story(self.set, players, Console(file=io.StringIO(), width=120))
        await story.unapproved()
        await story.published()
        await add_samples(story)
        return story

    def close(self) -> None:
        """Take it down."""
        if self._thread.is_alive():
            self.run(self.players_stack.aclose())
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(60)


@pytest.fixture(scope="session")
def stage() -> Iterator[Stage]:
    """The running system with the sample company, in a folder that other users may pass through, so that the two users are real."""
    folder = Path(tempfile.mkdtemp(prefix="qianfa-stage-", dir="/var/tmp"))
    folder.chmod(0o755)
    made = Stage(folder / "demo")
    made.start()
    yield made
    made.close()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def story(stage: Stage) -> Story:
    """The sample company after its first articles: something on every page."""
    return stage.run(stage.play())
