"""Notes of a return: why, at which place, and what to write instead; one shape for who writes them and who reads them (pure).

1. The blob is canonical JSON {v, text, notes}; a note is {field, start, quote, note, replace_with}.
2. `field` and `start` say where `quote` stands in the revision that was sent back; a note without a place has field `` and start 0.
3. A note with `replace_with` is a suggestion: the author may take it over, nobody else; it has a place, and the empty text means "leave out".

docs/spec/notes.md is the page.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from gateway import canonical
from gateway.canonical import NotCanonical

VERSION: Final = 1
FIELDS: Final = ("title", "summary", "author", "source.name", "body")
"""Where words can stand; for `body` offsets count in its plain text."""

MAX_TEXT: Final = 2000
MAX_NOTES: Final = 40
MAX_QUOTE: Final = 500
MAX_NOTE: Final = 1000
MAX_BYTES: Final = 1 << 19
_KEYS: Final = {"field", "start", "quote", "note", "replace_with"}


class NotNotes(ValueError):
    """The bytes or the value are no notes; the text says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One note; see the module's list. `quote` of a note without a place are words that stand nowhere in the content, or none."""

    note: str = ""
    quote: str = ""
    field: str = ""
    start: int = 0
    replace_with: str | None = None

    def value(self) -> dict[str, Any]:
        """Return the note as a JSON value, for blobs and pages."""
        return {"field": self.field, "start": self.start, "quote": self.quote, "note": self.note, "replace_with": self.replace_with}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What goes back to the author beside the reason: a text, and notes in the order they were written."""

    text: str = ""
    notes: tuple[Note, ...] = ()

    def to_bytes(self) -> bytes:
        """Return the canonical bytes.

        Raises:
            NotNotes: a text is too long, there are too many notes, or a note breaks a rule of the module's list.
        """
        _check(self)
        return canonical.encode({"v": VERSION, "text": self.text, "notes": [note.value() for note in self.notes]})

    @classmethod
    def parse(cls, data: bytes) -> Notes:
        """Return the notes whose canonical bytes are exactly `data`.

        Raises:
            NotNotes: they are anything else.
        """
        try:
            value = canonical.parse(data, limit=MAX_BYTES)
        except NotCanonical as error:
            raise NotNotes("not canonical") from error
        if type(value) is not dict or value.keys() != {"v", "text", "notes"} or type(value["v"]) is not int or value["v"] != VERSION:
            raise NotNotes("not notes of version 1")
        if type(value["text"]) is not str or type(value["notes"]) is not list:
            raise NotNotes("text or notes")
        notes = cls(text=value["text"], notes=tuple(_note(item) for item in value["notes"]))
        _check(notes)
        return notes


def _note(value: Any) -> Note:
    if type(value) is not dict or value.keys() != _KEYS:
        raise NotNotes("keys of a note")
    texts = (value["field"], value["quote"], value["note"])
    if not all(type(text) is str for text in texts) or type(value["start"]) is not int or type(value["replace_with"]) not in {str, type(None)}:
        raise NotNotes("types of a note")
    return Note(**value)


def _check(notes: Notes) -> None:
    if len(notes.text) > MAX_TEXT or len(notes.notes) > MAX_NOTES:
        raise NotNotes("too long")
    for note in notes.notes:
        if max(len(note.quote), len(note.replace_with or "")) > MAX_QUOTE or len(note.note) > MAX_NOTE:
            raise NotNotes("too long")
        if note.field not in {"", *FIELDS} or note.start < 0 or (not note.field and note.start):
            raise NotNotes("place")
        if note.field and not note.quote:
            raise NotNotes("place without words")
        if note.replace_with is None:
            if not note.note:
                raise NotNotes("a note that says nothing")
        elif not note.field or note.replace_with == note.quote or not set("\n\r\t").isdisjoint(note.replace_with):
            raise NotNotes("suggestion")
