"""Notes of a return: read from the enforcer's blob, tolerant of what is missing, never trusted as HTML."""

from __future__ import annotations

import json
from typing import Any, Final

from gateway.desk.socket_client import CommandSocket, Problem, Unavailable

_QUOTE: Final = ("quote", "place", "text")


async def read_notes(socket: CommandSocket, digest: str) -> list[dict[str, str]]:
    """Return the notes {quote, note} behind a digest; empty where they cannot be read now."""
    try:
        value = json.loads(await socket.blob(digest))
    except (Problem, Unavailable, ValueError):
        return []
    notes = value.get("notes", []) if isinstance(value, dict) else value
    return [_note(item) for item in notes if isinstance(item, dict)] if isinstance(notes, list) else []


def _note(item: dict[str, Any]) -> dict[str, str]:
    quote: Any = next((item[key] for key in _QUOTE if key in item), "")
    if isinstance(quote, dict):
        quote = quote.get("quote", "")
    return {"quote": str(quote)[:500], "note": str(item.get("note", item.get("comment", "")))[:2000]}
