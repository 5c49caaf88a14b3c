"""Watching what is public (article 19): the live page is compared with what was approved, soon after it went out, and then ever less often.

The schedule is derived from the durable state, so a restart forgets nothing; a difference is an entry, once for each publication.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

import structlog

from gateway.connectors.base import Live, PlatformRefused, Template
from gateway.enforcer.gate import Gate, prepared_of
from gateway.machine.state import Publication, PublicationState
from gateway.protocol import instants
from gateway.protocol.commands import RecordDrift
from gateway.protocol.denials import Denied
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant

log = structlog.get_logger("watch")

AFTER_SECONDS: Final = {"live": (300, 3600, 86_400), "sandbox": (2, 10, 60)}
"""When a live page is looked at, counted from its dispatch; regulation.md, article 19."""

THEN_EVERY: Final = {"live": 7 * 86_400, "sandbox": 120}
STOPS_AFTER: Final = 60 * 86_400
"""A page older than this is no longer looked at by itself; platforms give few reads a day (platforms.md 1.6, 2.4)."""


def next_look(publication: Publication, kind: str, now: Instant) -> Instant | None:
    """Return when a live publication is due to be looked at next, strictly after `now`, or None."""
    if publication.state is not PublicationState.LIVE or publication.drift:
        return None
    age = instants.seconds_between(publication.dispatched_at, now)
    if age > STOPS_AFTER:
        return None
    for seconds in AFTER_SECONDS[kind]:
        if age < seconds:
            return instants.plus(publication.dispatched_at, seconds)
    last, every = AFTER_SECONDS[kind][-1], THEN_EVERY[kind]
    return instants.plus(publication.dispatched_at, last + (int((age - last) // every) + 1) * every)


class Watch:
    """The due times of all live publications, and the looking itself."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._runner = gate.runner
        self._due: list[tuple[Instant, str]] = []

    def begin(self) -> None:
        """Take up every live publication of the state; called once a run."""
        self._due.clear()
        for publication in self._runner.state.publications.values():
            self._plan(publication)

    def changed(self, entries: Sequence[Entry]) -> None:
        """Take up what has just become live."""
        for entry in entries:
            if entry.type == EntryType.PUBLICATION_LIVE:
                self._plan(self._runner.state.publications[entry.object])

    def _plan(self, publication: Publication) -> None:
        due = next_look(publication, self._runner.state.kind, self._runner.now())
        if due is not None:
            heapq.heappush(self._due, (due, publication.id))

    def take_due(self, now: Instant) -> str | None:
        """Return one publication that is due now, or None."""
        if self._due and self._due[0][0] <= now:
            return heapq.heappop(self._due)[1]
        return None

    async def look(self, identifier: str) -> None:
        """Compare one live page with what was approved and plan the next look."""
        publication = self._runner.state.publications[identifier]
        if publication.state is not PublicationState.LIVE or publication.drift:
            return
        template = Template.parse(self._runner.blobs.get(publication.template))
        connector = self._gate.connectors[template.platform]
        try:
            with self._gate.call(publication, purpose=f"watch {publication.jti}") as call:
                same = await connector.observe(call, template, Live(id=publication.remote_id, url=publication.url), prepared_of(publication))
            if not same:
                await self._runner.system(RecordDrift(publication=identifier, observed=None))
        except (PlatformRefused, Denied) as error:
            log.info("could not look", action="watch_failed", publication=identifier, error=str(error))
        self._plan(publication)
