"""Verification jobs: the whole log again while everything goes on, with progress, and an end that is always said."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from gateway.enforcer.verification import KEPT, Job, Verifications
from gateway.log import audit
from gateway.log.errors import LogUnavailable
from gateway.protocol import commands as c
from tests.gateway.enforcer.house import House


async def ended(jobs: Verifications, name: str) -> Job:
    """Wait until a job is finished and return it."""
    async with asyncio.timeout(60):
        while not (job := jobs.look(name)).finished:  # type: ignore[union-attr] # it was begun
            await asyncio.sleep(0.01)
    return job  # type: ignore[return-value] # as above


async def test_a_whole_log_is_said_to_be_whole(hand: House) -> None:
    """Every entry counted, in both languages, with the time it took."""
    jobs = Verifications(hand.parts)
    job = await ended(jobs, jobs.begin())
    assert (job.ok, job.done, job.total) == (True, hand.state.size, hand.state.size)
    value = job.value()
    assert f"{hand.state.size} 条存证完整" in value["message_zh"]
    assert f"{hand.state.size} entries are whole" in value["message_en"]
    assert value["seconds"] >= 0


async def test_progress_shows_while_the_log_goes_on_and_one_runs_at_a_time(hand: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half way it says so; entries are appended meanwhile; a second job waits for the first."""
    half, go = threading.Event(), threading.Event()
    real: Callable[..., Any] = audit.verify_store

    def slowly(*arguments: Any, progress: Callable[[int, int], None], **more: Any) -> Any:
        progress(7, 50)
        half.set()
        assert go.wait(60)
        return real(*arguments, progress=progress, **more)

    monkeypatch.setattr(audit, "verify_store", slowly)
    jobs = Verifications(hand.parts)
    first, second = jobs.begin(), jobs.begin()
    assert await asyncio.to_thread(half.wait, 60)
    assert jobs.look(first).value() | {"seconds": 0} == {  # type: ignore[union-attr] # it was begun
        "done": 7, "total": 50, "finished": False, "ok": False, "seconds": 0, "message_zh": "", "message_en": ""}
    size = hand.state.size
    await hand.runner.system(c.TakeCounters(counts={"x": 1}))
    assert hand.state.size == size + 1
    assert jobs.look(second).done == 0  # type: ignore[union-attr] # as above
    go.set()
    assert (await ended(jobs, first)).ok
    assert (await ended(jobs, second)).ok


async def test_an_altered_entry_is_named_while_it_runs(hand: House) -> None:
    """One byte changed in the database under the running enforcer: not ok, and the entry's number in both languages."""
    with closing(sqlite3.connect(hand.runner.parts.store.path)) as connection, connection:
        connection.execute("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'unit.added', 'unit.Added') AS BLOB) WHERE seq = 1")
    jobs = Verifications(hand.parts)
    job = await ended(jobs, jobs.begin())
    with closing(sqlite3.connect(hand.runner.parts.store.path)) as connection, connection:
        connection.execute("UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), 'unit.Added', 'unit.added') AS BLOB) WHERE seq = 1")
    assert not job.ok
    assert "第 1 条" in job.zh
    assert "entry 1 " in job.en


async def test_a_copy_that_is_gone_is_no_whole_log(hand: House) -> None:
    """Without the copy outside a cut would not show, so it is not called whole."""
    copies = hand.parts.settings.copies
    copies.rename(copies.with_name("away"))
    jobs = Verifications(hand.parts)
    job = await ended(jobs, jobs.begin())
    copies.with_name("away").rename(copies)
    assert not job.ok
    assert "外部副本不见了" in job.zh


@pytest.mark.parametrize(("error", "word"), [(LogUnavailable("log_unreadable", "gone"), "log_unreadable"), (MemoryError("x"), "MemoryError")])
async def test_a_job_that_cannot_go_on_ends_and_says_so(hand: House, monkeypatch: pytest.MonkeyPatch, error: Exception, word: str) -> None:
    """An unreadable disk or anything else that is raised: finished, not ok, with what it was; the next job runs."""
    def fail(*_arguments: Any, **_more: Any) -> None:
        raise error

    jobs = Verifications(hand.parts)
    with monkeypatch.context() as patched:
        patched.setattr(audit, "verify_store", fail)
        job = await ended(jobs, jobs.begin())
    assert not job.ok
    assert word in job.zh
    assert word in job.en
    assert (await ended(jobs, jobs.begin())).ok


async def test_old_jobs_are_forgotten(hand: House) -> None:
    """The newest twenty are kept, however often somebody asks."""
    jobs = Verifications(hand.parts)
    names = [jobs.begin() for _ in range(KEPT + 2)]
    assert [jobs.look(name) is None for name in names] == [True, True, *[False] * KEPT]
    assert (await ended(jobs, names[-1])).ok
