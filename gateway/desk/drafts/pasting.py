"""Pasting: HTML from anywhere, with the pictures inside it, into one draft."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict, Field

from gateway.desk.drafts.form import BODY_LIMIT
from gateway.desk.drafts.store import PICTURE_PATH, Drafts
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.normalise import Normalised, normalise_html

PASTE_LIMIT = BODY_LIMIT + (8 << 20)


class PasteForm(BaseModel):
    """What was pasted."""

    model_config = ConfigDict(extra="forbid", strict=True)

    html: str = Field(max_length=PASTE_LIMIT)


async def paste_into(drafts: Drafts, draft: DraftRow, owner: str, html: str) -> Normalised:
    """Return the normal form of `html`; its own pictures now belong to the draft.

    Raises:
        NormaliseRefused: it cannot be brought into normal form.
        PictureRefused: a picture inside it cannot be taken.
    """
    known = {f"{PICTURE_PATH}{digest}": digest for digest in await drafts.pictures(draft.id)}
    made = await asyncio.to_thread(normalise_html, html, known=known)
    for picture in made.pictures:
        await drafts.add_picture(draft.id, owner, picture.data, picture.type)
    return made
