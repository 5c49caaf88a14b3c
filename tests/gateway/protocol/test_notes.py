"""Notes of a return: one shape, its bytes and back; anything else is refused."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import canonical
from gateway.protocol.notes import MAX_NOTE, MAX_NOTES, MAX_QUOTE, MAX_TEXT, Note, Notes, NotNotes
from tests.docs import pages
from tests.docs.pages import ROOT

WHOLE = Notes(text="请核对", notes=(
    Note(field="body", start=18, quote="4.2公里", note="台账是4.3公里", replace_with="4.3公里"), Note(note="缺一张图"),
    Note(field="title", quote="旧", replace_with=""), Note(quote="不在稿中的话", note="哪里来的？"),
))


def test_notes_come_back_from_their_bytes() -> None:
    """What was built is what is parsed, and the bytes are canonical."""
    assert Notes.parse(WHOLE.to_bytes()) == WHOLE
    assert Notes.parse(Notes().to_bytes()) == Notes()
    assert canonical.encode(canonical.parse(WHOLE.to_bytes())) == WHOLE.to_bytes()


def test_the_sample_of_the_page_is_read() -> None:
    """The JSON of docs/spec/notes.md is notes as the code reads them."""
    block = next(block for language, block in pages.blocks(ROOT / "docs" / "spec" / "notes.md") if language == "json")
    import json

    assert Notes.parse(canonical.encode(json.loads(block))).notes[0].replace_with == "4.3公里"


@pytest.mark.parametrize("notes", [
    Notes(text="x" * (MAX_TEXT + 1)), Notes(notes=(Note(note="x"),) * (MAX_NOTES + 1)), Notes(notes=(Note(note="x" * (MAX_NOTE + 1)),)),
    Notes(notes=(Note(note="x", quote="x" * (MAX_QUOTE + 1)),)), Notes(notes=(Note(field="title", quote="a", replace_with="x" * (MAX_QUOTE + 1)),)),
    Notes(notes=(Note(note="x", field="footer", quote="a"),)), Notes(notes=(Note(note="x", field="body", quote="a", start=-1),)),
    Notes(notes=(Note(note="x", quote="a", start=3),)), Notes(notes=(Note(note="x", field="body"),)), Notes(notes=(Note(quote="a"),)),
    Notes(notes=(Note(quote="a", replace_with="b"),)), Notes(notes=(Note(field="body", quote="a", replace_with="a"),)),
    Notes(notes=(Note(field="body", quote="a", replace_with="a\nb"),)),
])
def test_what_breaks_a_rule_has_no_bytes(notes: Notes) -> None:
    """Too long, no such place, nothing said, a suggestion without a place or with two lines; read from bytes it is refused as well."""
    with pytest.raises(NotNotes):
        notes.to_bytes()
    with pytest.raises(NotNotes):
        Notes.parse(canonical.encode({"v": 1, "text": notes.text, "notes": [note.value() for note in notes.notes]}))


def note(**over: Any) -> dict[str, Any]:
    """Return a note as a JSON value, with other members."""
    return {**Note(note="x").value(), **over}


@pytest.mark.parametrize("value", [
    [], {"v": 1, "text": ""}, {"v": 2, "text": "", "notes": []}, {"v": True, "text": "", "notes": []}, {"v": 1, "text": None, "notes": []},
    {"v": 1, "text": "", "notes": {}}, {"v": 1, "text": "", "notes": [1]}, {"v": 1, "text": "", "notes": [{"note": "x"}]},
    {"v": 1, "text": "", "notes": [note(more=1)]}, {"v": 1, "text": "", "notes": [note(note=1)]}, {"v": 1, "text": "", "notes": [note(start="0")]},
    {"v": 1, "text": "", "notes": [note(start=True)]}, {"v": 1, "text": "", "notes": [note(replace_with=1)]}, {"v": 1, "text": "", "notes": [], "x": 1},
])
def test_another_shape_is_no_notes(value: Any) -> None:
    """Keys and types are exactly those of the page."""
    with pytest.raises(NotNotes):
        Notes.parse(canonical.encode(value))


@pytest.mark.parametrize("data", [b"", b"{}", WHOLE.to_bytes() + b" ", WHOLE.to_bytes()[:-1]])
def test_other_bytes_are_no_notes(data: bytes) -> None:
    """Only canonical bytes are read."""
    with pytest.raises(NotNotes):
        Notes.parse(data)
