"""The log as the counter's pages read it: which entries are about a submission, and what a person signed.

The index holds entry numbers only and is read on from where it stopped; it decides nothing.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import Any, Final

from gateway.enforcer.feed import read_bodies
from gateway.enforcer.parts import Parts
from gateway.protocol.entries import Entry, EntryType, load

_ABOUT_SUBMISSION: Final = frozenset({
    EntryType.SUBMISSION_MADE, EntryType.SUBMISSION_RETURNED, EntryType.SUBMISSION_RECALLED, EntryType.SUBMISSION_CANCELLED,
    EntryType.SUBMISSION_EXPIRED, EntryType.SUBMISSION_RENEWED, EntryType.SUBMISSION_HANDED, EntryType.SUBMISSION_REROUTED, EntryType.DECISION_MADE, EntryType.DECISION_TAKEN_BACK,
})
_CHUNK: Final = 5_000


class History:
    """See the module; call `catch_up` before asking."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._upto = 0
        self._turn = asyncio.Lock()
        self._submissions: defaultdict[str, list[Entry]] = defaultdict(list)
        self._signed: defaultdict[str, list[int]] = defaultdict(list)
        self._tokens: defaultdict[str, list[str]] = defaultdict(list)
        self._lists: dict[str, int] = {}
        self._returns: defaultdict[str, list[Entry]] = defaultdict(list)

    async def catch_up(self) -> None:
        """Read the entries that became durable since."""
        async with self._turn:
            while self._upto < (size := self._parts.runner.state.size):
                stop = min(size, self._upto + _CHUNK)
                for body in await asyncio.to_thread(read_bodies, self._parts, self._upto, stop):
                    self._take(load(body))
                self._upto = stop

    def _take(self, entry: Entry) -> None:
        if entry.type in _ABOUT_SUBMISSION:
            self._submissions[entry.object].append(entry)
        if entry.type == EntryType.SUBMISSION_RETURNED and entry.data.get("signing"):
            self._returns[entry.data["signing"]].append(entry)
        if entry.type == EntryType.DECISION_MADE:
            self._signed[entry.actor].append(entry.seq)
        elif entry.type == EntryType.SIGNING_MADE:
            self._lists[entry.object] = entry.seq
        elif entry.type == EntryType.TOKEN_MINTED:
            self._tokens[entry.data["submission"]].append(entry.object)

    def of(self, submission: str) -> list[Entry]:
        """Return the entries about a submission, oldest first."""
        return self._submissions.get(submission, [])

    def revision(self, submission: str, number: int) -> dict[str, Any] | None:
        """Return the data of the entry that made one revision, or None."""
        return next((e.data for e in self.of(submission) if e.type == EntryType.SUBMISSION_MADE and e.data["revision"] == number), None)

    def decided(self, submission: str, person: str) -> set[int]:
        """Return the revisions of a submission that a person signed or sent back."""
        kinds = {EntryType.DECISION_MADE, EntryType.SUBMISSION_RETURNED}
        return {e.data["revision"] for e in self.of(submission) if e.type in kinds and e.actor == person}

    def signed_by(self, person: str, limit: int = 100) -> list[Entry]:
        """Return a person's decisions, newest first."""
        found = (self._parts.entry(seq) for seq in reversed(self._signed.get(person, [])[-limit:]))
        return [entry for entry in found if entry is not None]

    def signing(self, identifier: str) -> Entry | None:
        """Return the entry of one signed list, or None."""
        seq = self._lists.get(identifier)
        return self._parts.entry(seq) if seq is not None else None

    def returned_by(self, signing: str) -> list[Entry]:
        """Return the entries that sent something back as part of one signed list."""
        return self._returns.get(signing, [])

    def handed(self, submission: str, revision: int) -> Entry | None:
        """Return the newest handing over of a revision, where nothing was decided about it since; else None."""
        newest = self._submissions.get(submission, [None])[-1]
        return newest if newest is not None and newest.type == EntryType.SUBMISSION_HANDED and newest.data["revision"] == revision else None

    def publications(self, submission: str) -> list[str]:
        """Return the publications that were released from a submission."""
        return self._tokens.get(submission, [])
