"""Verification jobs: the whole log is hashed again in a thread of its own, with progress, while everything else goes on."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final

import structlog

from gateway.enforcer.gate import where
from gateway.enforcer.parts import Parts
from gateway.enforcer.startup import LogRefused, check, check_copy
from gateway.log import audit
from gateway.log.checkpoint import parse_vkey
from gateway.log.errors import LogUnavailable

log = structlog.get_logger("verification")

KEPT: Final = 20


@dataclass(slots=True)
class Job:
    """One verification: how far it is, and in the end its result in both languages."""

    done: int = 0
    total: int = 0
    finished: bool = False
    ok: bool = False
    seconds: float = 0.0
    zh: str = ""
    en: str = ""

    def value(self) -> dict[str, Any]:
        """Return it for the socket."""
        return {
            "done": self.done, "total": self.total, "finished": self.finished, "ok": self.ok, "seconds": round(self.seconds, 2),
            "message_zh": self.zh, "message_en": self.en,
        }


class Verifications:
    """The running and the last finished verifications; one runs at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._jobs: dict[str, Job] = {}
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self) -> str:
        """Start a verification and return its job id."""
        identifier = secrets.token_hex(8)
        job = self._jobs[identifier] = Job(total=self._parts.runner.state.size)
        while len(self._jobs) > KEPT:
            self._jobs.pop(next(iter(self._jobs)))
        task = asyncio.get_running_loop().create_task(self._run(job))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return identifier

    def look(self, identifier: str) -> Job | None:
        """Return a job, or None."""
        return self._jobs.get(identifier)

    async def _run(self, job: Job) -> None:
        async with self._turn:
            began = time.monotonic()
            try:
                await asyncio.to_thread(self._verify, job)
            except Exception as error:  # noqa: BLE001 -- whatever a broken disk or altered bytes raise, who waits for the job must hear of its end
                log.error("verification ended early", action="verification_failed", error=type(error).__name__, where=where(error))
                job.zh, job.en = f"核对没有做完：{type(error).__name__}", f"the verification did not come to an end: {type(error).__name__}"
            finally:
                job.seconds, job.finished = time.monotonic() - began, True

    def _verify(self, job: Job) -> None:
        settings = self._parts.settings

        def progress(done: int, total: int) -> None:
            job.done, job.total = done, total

        try:
            check_copy(job.total, settings.copies)
            report = audit.verify_store(
                self._parts.runner.parts.store.path, parse_vkey(settings.log_key), copies=[settings.copies], progress=progress,
            )
            check(report)
            job.ok, job.done = True, report.size
            job.zh, job.en = f"{report.size} 条存证完整、未改", f"{report.size} entries are whole and unaltered"
        except LogRefused as refused:
            job.zh, job.en = refused.zh, refused.en
        except LogUnavailable as error:
            job.zh, job.en = f"存证读不出来：{error.code}", f"the log cannot be read: {error.code}"
