"""Reading durable entries for the feed, from a reader of the calling thread."""

from __future__ import annotations

from gateway.enforcer.parts import Parts
from gateway.log.store import StoreReader


def read_bodies(parts: Parts, start: int, stop: int) -> list[bytes]:
    """Return the bodies of entries `start` to `stop`.

    Raises:
        LogUnavailable: the store cannot be read.
    """
    with StoreReader.open_readonly(parts.runner.parts.store.path) as store:
        return list(store.read(start, stop))
