"""The handles of one preparation: what an earlier attempt left, and each new one recorded before the work goes on."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.connectors.base import MediaRef, SaveHandle, Slot


class Handles:
    """Known handles by name; a new one is saved before it is used."""

    def __init__(self, known: Mapping[str, str], save: SaveHandle) -> None:
        self._known = dict(known)
        self._save = save

    def get(self, name: str) -> str | None:
        """Return a handle, or None where it is not there yet."""
        return self._known.get(name)

    async def put(self, name: str, value: str) -> str:
        """Record a handle and return it; one that is known with this value is not recorded again."""
        if self._known.get(name) != value:
            self._known[name] = value
            await self._save(name, value)
        return value

    def all(self) -> dict[str, str]:
        """Return every handle."""
        return dict(self._known)


def handle_of(item: MediaRef | Slot) -> str:
    """Return the handle's name of a picture in its role."""
    return f"{item.role}:{item.digest}"
