"""What can go wrong with the log, named for what a caller must do about it."""

from __future__ import annotations


class LogUnavailable(Exception):
    """The log cannot be written or read now; whether the last append is durable is unknown.

    A caller sends nothing, leaves, verifies and replays before it serves again (design section 4). `code` is a stable word.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code


class Fenced(Exception):
    """Another writer has taken the log since; this writer must leave."""


class SizeMismatch(Exception):
    """The durable log is not as long as the caller expected; nothing was written."""

    def __init__(self, *, expected: int, found: int) -> None:
        super().__init__(f"expected {expected} entries, found {found}")
        self.expected = expected
        self.found = found
