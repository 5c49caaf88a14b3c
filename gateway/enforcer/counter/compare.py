"""Comparing two revisions: facts, pictures, then the text by sentence and character. Runs in a process without keys, under a deadline."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import Any, Final

from gateway.content import Content, recognise

_SENTENCE: Final = re.compile(r"[^。！？!?\n]*[。！？!?\n]?")
_PIECE: Final = re.compile(r"[0-9]+(?:[.,:][0-9]+)*|[A-Za-z]+|.", re.DOTALL)
"""A number or a Latin word is one piece, every other character its own: 146 that became 152 is not shown as 1 and two loose ends."""
LONGEST: Final = 20_000
"""Characters of a pair of sentences that are compared one by one; beyond it the pair is shown whole."""


def compare(before: bytes, after: bytes) -> dict[str, Any]:
    """Return what changed from one content to the other, as JSON values: `fields`, `pictures`, `text`, `count`.

    `text` is a list of [kind, pieces], kind `same`, `changed`, `removed` or `added`; pieces are [mark, words], mark `=`, `-` or `+`.
    """
    old, new = Content.parse(before), Content.parse(after)
    fields = [[name, a, b] for name, a, b in _fields(old, new) if a != b]
    pictures = _pictures(old, new)
    text = _text(recognise(old.body).text, recognise(new.body).text)
    links = [["links", "\n".join(old.links), "\n".join(new.links)]] if old.links != new.links else []
    body = [["markup", "", ""]] if old.body != new.body and all(kind == "same" for kind, _ in text) and not links else []
    changed = sum(kind != "same" for kind, _ in text)
    return {
        "fields": [*fields, *links, *body], "pictures": pictures, "text": text,
        "count": len(fields) + len(links) + len(body) + sum(p[0] != "same" for p in pictures) + changed,
    }


def _fields(old: Content, new: Content) -> list[tuple[str, str, str]]:
    return [
        ("title", old.title, new.title), ("summary", old.summary, new.summary), ("author", old.author, new.author),
        ("source", _source(old), _source(new)),
    ]


def _source(content: Content) -> str:
    return " ".join(filter(None, (content.source.kind, content.source.name, content.source.url)))


def _pictures(old: Content, new: Content) -> list[list[str]]:
    before, after = [(m.role, m.sha256) for m in old.media], [(m.role, m.sha256) for m in new.media]
    kept = [["same", role, digest] for role, digest in after if (role, digest) in before]
    gone = [["removed", role, digest] for role, digest in before if (role, digest) not in after]
    come = [["added", role, digest] for role, digest in after if (role, digest) not in before]
    moved = [["moved", "body", ""]] if not gone and not come and before != after else []
    return [*gone, *come, *moved, *kept]


def _text(old: str, new: str) -> list[list[Any]]:
    before, after = _sentences(old), _sentences(new)
    found: list[list[Any]] = []
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        left, right = "".join(before[a0:a1]), "".join(after[b0:b1])
        if kind == "equal":
            found.append(["same", [["=", left]]])
        elif kind == "delete":
            found.append(["removed", [["-", left]]])
        elif kind == "insert":
            found.append(["added", [["+", right]]])
        else:
            found.append(["changed", _characters(left, right)])
    return found


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in _SENTENCE.findall(text) if sentence]


def _characters(left: str, right: str) -> list[list[str]]:
    if len(left) + len(right) > LONGEST:
        return [["-", left], ["+", right]]
    pieces: list[list[str]] = []
    before, after = _PIECE.findall(left), _PIECE.findall(right)
    for kind, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(["=", "".join(before[a0:a1])])
            continue
        if a1 > a0:
            pieces.append(["-", "".join(before[a0:a1])])
        if b1 > b0:
            pieces.append(["+", "".join(after[b0:b1])])
    return pieces
