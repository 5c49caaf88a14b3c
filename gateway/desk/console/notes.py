"""Notes of a return: read from the enforcer's blob in their one shape, and suggestions taken over into a draft (docs/spec/notes.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from gateway.content import NotNormal, recognise
from gateway.content.places import Change, NotThere, locate, replace
from gateway.desk.drafts.form import DraftForm
from gateway.desk.socket_client import CommandSocket, Problem, Unavailable
from gateway.protocol.notes import Note, Notes, NotNotes


async def read_notes(socket: CommandSocket, returned: dict[str, Any] | None) -> Notes:
    """Return the notes of a return; none where there are none, they cannot be read now, or they have any other shape."""
    digest = (returned or {}).get("notes")
    if not digest:
        return Notes()
    try:
        return Notes.parse(await socket.blob(digest))
    except (Problem, Unavailable, NotNotes):
        return Notes()


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """The words of a draft that notes can be about."""

    form: DraftForm
    body: str

    def of(self, field: str) -> str:
        """Return a field's words; of the body its plain text, empty where that is not in normal form."""
        if field == "body":
            return _words_of(self.body)
        if field == "source.name":
            return self.form.source.name
        return str(getattr(self.form, field, ""))


@lru_cache(maxsize=8)
def _words_of(body: str) -> str:
    """Return a body's plain text, read once for all the notes about it."""
    try:
        return recognise(body).text
    except NotNormal:
        return ""


def place_of(note: Note, text: Text) -> int | None:
    """Return where a suggestion can still be taken over; None where it was, or the words were changed since.

    A suggestion whose new words hold the old ones (星期四 becomes 星期四（27日）) is taken over once, not once a click.
    """
    if note.replace_with is None:
        return None
    words = text.of(note.field)
    if words.startswith(note.quote, note.start):
        at: int | None = note.start
    elif not note.replace_with or words.startswith(note.replace_with, note.start):
        return None  # it was taken over; the same words elsewhere are not meant
    else:
        at = locate(words, note.quote, note.start)
    if at is None or note.quote not in note.replace_with:
        return at
    before = at - note.replace_with.find(note.quote)
    return None if before >= 0 and words.startswith(note.replace_with, before) else at


def taken_over(notes: Sequence[Note], text: Text) -> Text | None:
    """Return the draft's words with these suggestions taken over, or None where not one of them could be.

    The last place comes first, so that the others stay where they were. What would leave the normal form, or overlaps another, is left out.
    """
    made, done = text, 0
    for note in sorted(notes, key=lambda note: note.start, reverse=True):
        after = _take(note, made)
        if after is not None:
            made, done = after, done + 1
    return made if done else None


def _take(note: Note, text: Text) -> Text | None:
    at = place_of(note, text)
    if at is None or note.replace_with is None:
        return None
    if note.field == "body":
        try:
            body = replace(text.body, [Change(start=at, quote=note.quote, replace_with=note.replace_with)])
        except NotThere:
            return None
        return Text(form=text.form, body=body)
    words = text.of(note.field)
    value = text.form.model_dump()
    where, key = (value["source"], "name") if note.field == "source.name" else (value, note.field)
    where[key] = words[:at] + note.replace_with + words[at + len(note.quote):]
    try:
        return Text(form=DraftForm.model_validate(value), body=text.body)
    except ValidationError:
        return None
