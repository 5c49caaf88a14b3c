"""The keyless worker: checks and diffs run in a process that was forked off before any key was in memory, under a deadline.

A small keeper process is started first of all and holds nothing; for each job it forks a child, waits for its answer at most
`deadline` seconds, and ends it. What did not answer in time counts as not passed. Answers come back as JSON: a child that hostile
content has taken over can lie about that content, and no more.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import date
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from typing import Any, Final, TypeVar

from gateway.checks.registry import run_checks
from gateway.content import Content
from gateway.protocol.facts import Facts

DEADLINE_SECONDS: Final = 10.0
START_SECONDS: Final = 60.0
"""How long a keeper may take to come up on a busy machine; not counted against the first job."""
ANSWER_LIMIT: Final = 16 << 20
_T = TypeVar("_T")


class WorkerFailed(Exception):
    """The job took too long, raised, or its process died; nothing was found out."""


class Worker:
    """The keeper and the way to it; `run` calls a module-level function in a fresh child of the keeper."""

    def __init__(self, deadline: float = DEADLINE_SECONDS, *, closing: Sequence[int] = ()) -> None:
        """Make it; `closing` are descriptors that are open here and are nothing to the keeper, which a fork would inherit."""
        self._deadline = deadline
        self._closing = tuple(closing)
        self._turn = threading.Lock()
        self._keeper: Any = None
        self._wire: Connection[Any, Any] | None = None
        self._again = True
        self._greeted = False

    def start(self) -> None:
        """Start the keeper; call it before the vault is opened, and before threads are started where Python cannot be executed anew."""
        if self._keeper is not None:
            return
        executable = os.access(sys.executable, os.X_OK)
        if not self._again:
            raise WorkerFailed("the keeper ended and cannot be started anew without the keys in its memory")
        self._again = executable
        context: BaseContext = multiprocessing.get_context("spawn" if executable else "fork")
        ours, theirs = multiprocessing.Pipe()
        self._keeper = context.Process(target=keep, args=(theirs, self._deadline, None if executable else ours, () if executable else self._closing), daemon=True, name="qianfa-worker")  # type: ignore[attr-defined] # every context has it
        self._keeper.start()
        theirs.close()
        self._wire, self._greeted, self._closing = ours, False, ()

    async def run(self, function: Callable[..., _T], *arguments: Any) -> _T:
        """Return `function(*arguments)` from the worker; the result is a JSON value.

        Raises:
            WorkerFailed: see there.
        """
        answer: _T = await asyncio.to_thread(self._ask, function, arguments)
        return answer

    def _ask(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> Any:
        with self._turn:
            self.start()
            assert self._wire is not None
            try:
                if not self._greeted:
                    if not self._wire.poll(START_SECONDS):
                        raise WorkerFailed("the keeper does not start")
                    self._wire.recv_bytes(1)
                    self._greeted = True
                self._wire.send((function, arguments))
                if not self._wire.poll(self._deadline + 5):
                    raise WorkerFailed("the keeper does not answer")
                done, answer = json.loads(self._wire.recv_bytes(ANSWER_LIMIT))
            except (OSError, EOFError, ValueError, WorkerFailed) as error:
                self.close()  # an answer that comes late must not be taken for the next job's
                raise WorkerFailed(str(error) or type(error).__name__) from error
        if not done:
            raise WorkerFailed(str(answer))
        return answer

    def close(self) -> None:
        """End the keeper."""
        keeper, wire, self._keeper, self._wire = self._keeper, self._wire, None, None
        if wire is not None:
            wire.close()
        if keeper is not None:
            keeper.join(timeout=0.5)
            if keeper.is_alive():
                keeper.kill()
                keeper.join()


def keep(wire: Connection[Any, Any], deadline: float, other: Connection[Any, Any] | None = None, closing: Sequence[int] = ()) -> None:
    """Serve jobs from `wire` until its other end is gone; runs in the keeper process.

    `other` is that end as a fork inherits it: open here too, it would keep the keeper alive after the enforcer was killed.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # for its children too: what they read is not public yet
    if other is not None:
        other.close()
    for descriptor in closing:
        os.close(descriptor)
    wire.send_bytes(b"r")
    while True:
        try:
            function, arguments = wire.recv()
        except (EOFError, OSError):
            return
        wire.send_bytes(_in_child(function, arguments, deadline))


def _in_child(function: Callable[..., Any], arguments: tuple[Any, ...], deadline: float) -> bytes:
    ours, theirs = multiprocessing.Pipe(duplex=False)
    child = os.fork()
    if child == 0:
        try:
            theirs.send_bytes(json.dumps([True, function(*arguments)]).encode())
        except BaseException as error:  # noqa: BLE001 -- the child ends here whatever happens
            theirs.send_bytes(json.dumps([False, type(error).__name__]).encode())
        finally:
            os._exit(0)
    theirs.close()
    try:
        answer = ours.recv_bytes(ANSWER_LIMIT) if ours.poll(deadline) else b'[false,"deadline"]'
    except (EOFError, OSError):
        answer = b'[false,"died"]'
    finally:
        ours.close()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return answer


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
