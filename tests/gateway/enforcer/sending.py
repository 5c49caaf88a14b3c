"""Sending through the gate by hand: what the tests of its steps share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from gateway.canonical import Digest
from gateway.log.writer import Commit
from gateway.machine.state import PublicationState
from gateway.protocol.entries import EntryType
from tests.gateway.enforcer.house import House, article
from tests.gateway.enforcer.scripted import Scripted


async def released(house: House, *keys: str, title: str = "秋收之后", **over: Any) -> str:
    """Submit, approve and release one article; return its first publication."""
    submission = await house.submit(article(title=title, cover=house.cover()), *(keys or ("news",)), **over)
    return (await house.release(submission))[0]


async def live(house: House) -> str:
    """Return a publication that is live on the board."""
    publication = await released(house)
    await house.parts.gate.send(publication)
    assert house.publication_state(publication) is PublicationState.LIVE
    return publication


@asynccontextmanager
async def sending_held(house: House, scripted: Scripted, publication: str, step: str = "reread", state: str = "prepared") -> AsyncIterator[None]:
    """Send a publication and hold it in `step`, where it stands in `state`, while the block acts; afterwards it goes on to its end."""
    held = scripted.held[step] = asyncio.Event()
    sending = asyncio.create_task(house.parts.gate.send(publication))
    try:
        await house.until(publication, state)
        yield
    finally:
        del scripted.held[step]
        held.set()
        await sending


@contextmanager
def disk_held(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the log's next commits hang at the disk until the block ends."""
    disk, writer = threading.Event(), house.runner._writer
    assert writer is not None
    commit = writer.commit

    def waits(*args: object, **more: object) -> Commit:
        disk.wait(3)
        return commit(*args, **more)  # type: ignore[arg-type] # handed on as they came

    monkeypatch.setattr(writer, "commit", waits)
    try:
        yield
    finally:
        disk.set()


def commits(scripted: Scripted) -> int:
    """Count the calls that make something public."""
    return scripted.calls.count("commit")


def refusals(house: House) -> list[str]:
    """Return the codes of every refusal in the log."""
    return [str(entry.data["code"]) for entry in house.entries(EntryType.REFUSED)]


async def replace(house: House, publication: str, operation: str, title: str = "更正之后") -> str:
    """Submit, approve and release an edit or withdrawal; return its publication."""
    content = article(title=title, cover=house.cover()) if operation == "edit" else None
    submission = await house.submit(content, "news", operation=operation, previous=publication)
    return (await house.release(submission))[0]


def spoil(house: House, digest: str) -> None:
    """Flip one bit in the middle of a stored blob."""
    path = house.runner.blobs._path(Digest(digest))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def lose(house: House, digest: str) -> None:
    """Delete a stored blob."""
    house.runner.blobs._path(Digest(digest)).unlink()
