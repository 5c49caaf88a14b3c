"""What is made on a site before anything is public: the draft, its pictures, and their removal.

1. A random name is recorded first; the draft and every picture are named from it, so that one whose answer was lost is found
   again and not made twice, and nobody can guess a picture's address.
2. Pictures are attached to the post they belong to.
3. Removal touches only what carries the name, and never a post that is public.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, Final

from gateway.connectors.base import LoadMedia, MediaRef, PlatformRefused, Slot, Template
from gateway.connectors.handles import Handles, handle_of
from gateway.connectors.wordpress.site import Json, Site
from gateway.connectors.wordpress.words import refused

DRAFTS: Final = "draft,pending,private,future,publish,trash"
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif", "image/webp": "webp"}


async def name_of(handles: Handles) -> str:
    """Return the random name of this preparation, made and recorded at its first attempt."""
    return handles.get("name") or await handles.put("name", "qf-" + secrets.token_hex(16))


async def author_of(site: Site, handles: Handles, template: Template) -> str:
    """Return the author's number: the template's, else that of the credential's own user."""
    fixed = template.fields["author"][0]
    if isinstance(fixed, str) and fixed:
        return fixed
    return handles.get("author") or await handles.put("author", str(_number(await site.get("/wp/v2/users/me"))))


async def draft_of(site: Site, handles: Handles, name: str) -> str:
    """Return the draft's number: of the handle, of a draft that carries the name, or of a new one."""
    if known := handles.get("post"):
        return known
    found = await site.get("/wp/v2/posts", slug=name, status=DRAFTS, context="edit")
    post = found[0] if isinstance(found, list) and found else await site.post(
        "/wp/v2/posts", {"title": name, "status": "draft", "slug": name, "comment_status": "closed", "ping_status": "closed"})
    return await handles.put("post", str(_number(post)))


async def pictures_of(site: Site, handles: Handles, template: Template, load: LoadMedia, *, parent: str, name: str) -> None:
    """Upload each picture that has no handle yet, attached to `parent`."""
    wanted = [item for item in template.media if handles.get(handle_of(item)) is None]
    if not wanted:
        return
    there = {str(item.get("slug")): item for item in await _attached(site, parent)}
    for item in wanted:
        stem = _stem(name, item)
        made = there.get(stem) or await site.upload(
            f"{stem}.{_ENDINGS.get(item.type, 'bin')}", item.type, load(item.digest), parent)
        await handles.put(handle_of(item), f"{_number(made)} {made['source_url']}")


def filled(template: Template, handles: Mapping[str, str]) -> dict[str, str]:
    """Return the template's fields with slots and author filled from the handles.

    Raises:
        PlatformRefused: `handles_missing`.
    """
    values: dict[Slot, str] = {}
    try:
        for slot in template.slots():
            number, _, address = handles[handle_of(slot)].partition(" ")
            values[slot] = number if slot.role == "cover" else address
        fields = template.fill(values)
        if "author" in fields:
            fields["author"] = fields["author"] or handles["author"]
    except KeyError as error:
        raise refused("handles_missing") from error
    return fields


async def remove(site: Site, handles: Mapping[str, str]) -> None:
    """Delete the pictures and the draft of a preparation; refusals are passed over, and a post that is public stays.

    Raises:
        PlatformRefused: the site cannot be read, so nothing was deleted.
    """
    name, edited = handles.get("name", ""), handles.get("parent", "")
    if not name:
        return
    post = "" if edited else handles.get("post") or await _find(site, name)
    if post and await _status(site, post) == "publish":
        return
    numbers = {value.partition(" ")[0] for key, value in handles.items() if ":" in key}
    if post or edited:
        attached = await _attached(site, post or edited)
        numbers |= {str(_number(item)) for item in attached if str(item.get("slug", "")).startswith(name[:19])}
    for number in sorted(numbers):
        await _destroy(site, f"/wp/v2/media/{number}")
    if post:
        await _destroy(site, f"/wp/v2/posts/{post}")


async def _find(site: Site, name: str) -> str:
    found = await site.get("/wp/v2/posts", slug=name, status=DRAFTS, context="edit")
    return str(_number(found[0])) if isinstance(found, list) and found else ""


async def _status(site: Site, post: str) -> str:
    try:
        value = await site.get(f"/wp/v2/posts/{post}", context="edit")
    except PlatformRefused as error:
        if error.transient:
            raise
        return ""
    return str(value.get("status", "")) if isinstance(value, dict) else ""


async def _attached(site: Site, parent: str) -> list[Json]:
    found = await site.get("/wp/v2/media", parent=parent, per_page="100", context="edit", status="inherit,private")
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


async def _destroy(site: Site, route: str) -> None:
    try:
        await site.post(route, {}, override="DELETE", force="true")
    except PlatformRefused:
        return


def _stem(name: str, item: MediaRef) -> str:
    """Return a picture's file name: the first half of the preparation's name, then a hash of all of it with the picture."""
    return f"{name[:19]}-{hashlib.sha256(f'{name}/{item.role}/{item.digest}'.encode()).hexdigest()[:24]}"


def _number(value: Any) -> int:
    number = value.get("id") if isinstance(value, dict) else None
    if not isinstance(number, int) or isinstance(number, bool):
        raise refused("not_wordpress")
    return number
