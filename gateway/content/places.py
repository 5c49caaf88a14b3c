"""Places in a body: which bytes of the markup a stretch of the plain text is, and words replaced there without touching the rest (pure).

Findings, notes and suggestions name a place by its offset in the plain text of `recognise`; what is shown or changed is the markup.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.content import grammar
from gateway.content.recognise import NotNormal, escape_text, recognise

_PIECE: Final = re.compile("<([^<>]*+)>|([^<>]++)")
_CHARACTER: Final = re.compile("&(amp|lt|gt);|.", re.DOTALL)
_ENTITIES: Final = {"amp": "&", "lt": "<", "gt": ">"}


class NotThere(ValueError):
    """The words to be replaced do not stand at their place, or what would come of it is no body in normal form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The words `quote`, at the offset `start` of the plain text, become `replace_with`."""

    start: int
    quote: str
    replace_with: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """The plain text of a body and, for each of its characters, where in the markup it is spelt; None for the end of a line."""

    text: str
    spans: tuple[tuple[int, int] | None, ...]


def places(html: str) -> Places:
    """Return the places of a body in normal form; `text` equals `recognise(html).text`. Linear in the length."""
    characters: list[str] = []
    spans: list[tuple[int, int] | None] = []
    for piece in _PIECE.finditer(html):
        if piece[1] is not None:
            name = piece[1].removeprefix("/").partition(" ")[0]
            if name in grammar.BLOCKS or name == "br":
                characters.append("\n")
                spans.append(None)
            continue
        at = piece.start()
        for found in _CHARACTER.finditer(piece[2]):
            characters.append(_ENTITIES[found[1]] if found[1] else found[0])
            spans.append(None if found[0] == "\n" else (at + found.start(), at + found.end()))
    return _without_empty_lines("".join(characters), spans)


def _without_empty_lines(text: str, spans: Sequence[tuple[int, int] | None]) -> Places:
    lines: list[str] = []
    kept: list[tuple[int, int] | None] = []
    at = 0
    for line in text.split("\n"):
        if line.strip():
            kept += [None] if lines else []
            kept += spans[at : at + len(line)]
            lines.append(line)
        at += len(line) + 1
    return Places(text="\n".join(lines), spans=tuple(kept))


def locate(text: str, quote: str, start: int) -> int | None:
    """Return where `quote` stands in `text`: at `start`, else where it stands once and only there; None where neither holds."""
    if not quote:
        return None
    if start >= 0 and text.startswith(quote, start):
        return start
    first = text.find(quote)
    return first if first >= 0 and text.find(quote, first + 1) < 0 else None


def replace(html: str, changes: Sequence[Change]) -> str:
    """Return a body in normal form with words replaced; every tag stays where it is.

    Raises:
        NotThere: words are not at their place, two changes overlap, a change passes the end of a line, or the outcome is not normal.
    """
    known = places(html)
    end = len(known.text)
    for change in sorted(changes, key=lambda one: one.start, reverse=True):
        stop = change.start + len(change.quote)
        if not change.quote or change.start < 0 or stop > end or known.text[change.start : stop] != change.quote:
            raise NotThere(change.quote)
        html = _rewritten(html, known.spans[change.start : stop], escape_text(change.replace_with))
        end = change.start
    try:
        recognise(html)
    except NotNormal as error:
        raise NotThere(error.reason) from error
    return html


def _rewritten(html: str, spans: Sequence[tuple[int, int] | None], words: str) -> str:
    """Put `words` where the first span begins and take all spans out, whole stretches at a time."""
    stretches: list[list[int]] = []
    for span in spans:
        if span is None:
            raise NotThere("the end of a line")
        if stretches and stretches[-1][1] == span[0]:
            stretches[-1][1] = span[1]
        else:
            stretches.append([*span])
    for start, stop in reversed(stretches[1:]):
        html = html[:start] + html[stop:]
    start, stop = stretches[0]
    return html[:start] + words + html[stop:]
