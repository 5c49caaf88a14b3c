"""The keyless worker: checks and diffs run in a process of their own, started before any key is in memory, under a deadline.

A worker that takes too long is ended and made anew; what it was asked counts as not passed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from typing import Any, Final, TypeVar

from gateway.checks.registry import run_checks
from gateway.content import Content
from gateway.protocol.facts import Facts

DEADLINE_SECONDS: Final = 10.0
_T = TypeVar("_T")


class WorkerFailed(Exception):
    """The worker took too long or died; nothing was found out."""


class Worker:
    """One worker process; `run` calls a module-level function in it."""

    def __init__(self, deadline: float = DEADLINE_SECONDS) -> None:
        self._deadline = deadline
        self._pool: ProcessPoolExecutor | None = None

    def start(self) -> None:
        """Start the process; call it while the vault is sealed."""
        if self._pool is None:
            self._pool = ProcessPoolExecutor(max_workers=1, mp_context=multiprocessing.get_context("spawn"))
            self._pool.submit(_warm)

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Return `function(*arguments)` from the worker.

        Raises:
            WorkerFailed: it took longer than the deadline or the process ended.
        """
        self.start()
        assert self._pool is not None
        try:
            async with asyncio.timeout(self._deadline):
                return await asyncio.get_running_loop().run_in_executor(self._pool, lambda_free(function), *arguments)
        except (TimeoutError, BrokenProcessPool) as error:
            self.close()
            raise WorkerFailed(type(error).__name__) from error

    def close(self) -> None:
        """End the process, at once."""
        pool, self._pool = self._pool, None
        if pool is not None:
            for process in list((pool._processes or {}).values()):  # noqa: SLF001 -- the executor offers no way to end a busy worker
                process.kill()
            pool.shutdown(wait=False, cancel_futures=True)


def lambda_free(function: Callable[..., _T]) -> Callable[..., _T]:
    """Return `function`, which must be importable by name in another process.

    Raises:
        TypeError: it is a lambda or a nested function.
    """
    if "<" in function.__qualname__:
        raise TypeError("the worker calls module-level functions only")
    return function


def _warm() -> None:
    """Nothing: importing this module is the warming."""


def check_content(
    content: bytes, facts: dict[str, Any] | None, channels: list[tuple[str, str, dict[str, str]]], day: str,
) -> list[dict[str, Any]]:
    """Return every finding about `content` on each (channel id, platform, settings), as JSON values with the channel's id."""
    parsed = Content.parse(content)
    declared = Facts.model_validate({**facts, "found": tuple(facts.get("found", ()))}) if facts is not None else None
    return [
        {**finding.value(), "channel": channel}
        for channel, platform, settings in channels
        for finding in run_checks(parsed, facts=declared, platform=platform, settings=settings, day=date.fromisoformat(day))
    ]
