"""Sending through the gate by hand: what the tests of its steps share."""

from __future__ import annotations

from typing import Any

from gateway.canonical import Digest
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
