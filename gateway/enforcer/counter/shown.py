"""How values look on pages: instants in the company's zone, digests in groups of four."""

from __future__ import annotations

from gateway.protocol import instants
from gateway.protocol.instants import OFFICE_ZONE, Instant


def when(instant: str | None) -> str:
    """Return an instant as `11-23 17:12` in the company's zone, empty for none."""
    if not instant:
        return ""
    return instants.to_datetime(Instant(instant)).astimezone(OFFICE_ZONE).strftime("%m-%d %H:%M")


def day(instant: str) -> str:
    """Return the day of an instant as `2026-11-23` in the company's zone."""
    return instants.office_day(Instant(instant))


def fingerprint(digest: str | None, groups: int = 16) -> str:
    """Return a digest's hex in capital groups of four."""
    text = (digest or "").removeprefix("sha256:").upper()
    return " ".join(text[i : i + 4] for i in range(0, min(len(text), groups * 4), 4))


def print8(digest: str | None) -> str:
    """Return the first eight groups, as people compare them."""
    return fingerprint(digest, 8)
