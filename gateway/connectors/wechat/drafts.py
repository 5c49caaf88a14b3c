"""What is made on WeChat before anything is public: picture addresses, the cover, the draft, and their removal.

1. Body pictures of JPEG or PNG below 1 MB go to uploadimg, which takes no library space; others become library pictures.
2. Before a call whose answer may be lost, `tried:…` is recorded; a retry then looks for what that call may have made: the cover
   by its random file name, the draft by its cover.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

from gateway.connectors import multipart
from gateway.connectors.answers import text_of
from gateway.connectors.base import LoadMedia, MediaRef, PlatformRefused, Slot, Template
from gateway.connectors.handles import Handles, handle_of
from gateway.connectors.wechat import render
from gateway.connectors.wechat.api import Api
from gateway.connectors.wechat.words import refused

UPLOADIMG_LIMIT: Final = 1 << 20
PAGE: Final = 20
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}


async def pictures(api: Api, handles: Handles, template: Template, load: LoadMedia) -> None:
    """Upload each picture that has no handle yet.

    Raises:
        PlatformRefused: WeChat refused one.
    """
    name = handles.get("name") or await handles.put("name", "qf-" + secrets.token_hex(16))
    for item in template.media:
        if handles.get(handle_of(item)) is not None:
            continue
        file = multipart.File(
            field="media", name=f"{name}-{item.role}-{item.digest[7:15]}.{_ENDINGS.get(item.type, 'bin')}", type=item.type,
            data=load(item.digest),
        )
        if item.role == "body" and item.type != "image/gif" and item.length < UPLOADIMG_LIMIT:
            made = await api.upload("media/uploadimg", file)
            await handles.put(handle_of(item), _required(made, "url"))
        else:
            await _library_picture(api, handles, item, file)


async def _library_picture(api: Api, handles: Handles, item: MediaRef, file: multipart.File) -> None:
    tried = f"tried:{item.role}:{item.digest}"
    made = await _material_named(api, file.name) if handles.get(tried) else None
    await handles.put(tried, "1")
    made = made or await api.upload("material/add_material", file, "&type=image")
    media_id = _required(made, "media_id")
    if item.role == "body":
        await handles.put(f"material:{item.digest}", media_id)
    await handles.put(handle_of(item), media_id if item.role == "cover" else _required(made, "url"))


async def draft(api: Api, handles: Handles, filled: Mapping[str, str]) -> str:
    """Return the draft's media id: of the handle, of a draft that a lost answer left, or of a new one.

    Raises:
        PlatformRefused: WeChat refused it.
    """
    if known := handles.get("draft"):
        return known
    media_id = await draft_with_cover(api, filled["thumb_media_id"]) if handles.get("tried:draft") else ""
    await handles.put("tried:draft", "1")
    if not media_id:
        media_id = _required(await api.ask("draft/add", {"articles": [render.article(filled)]}), "media_id")
    return await handles.put("draft", media_id)


async def draft_with_cover(api: Api, cover: str) -> str:
    """Return the media id of the newest draft with this cover among the last twenty, or an empty text."""
    answer = await api.ask("draft/batchget", {"offset": 0, "count": PAGE, "no_content": 1})
    for item in _items(answer):
        content = item.get("content")
        articles = content.get("news_item") if isinstance(content, dict) else None
        if isinstance(articles, list) and any(isinstance(a, dict) and a.get("thumb_media_id") == cover for a in articles):
            return text_of(item.get("media_id"))
    return ""


def filled(template: Template, handles: Mapping[str, str]) -> dict[str, str]:
    """Return the template's fields with slots filled from the handles.

    Raises:
        PlatformRefused: `handles_missing`.
    """
    try:
        values: dict[Slot, str] = {slot: handles[handle_of(slot)] for slot in template.slots()}
    except KeyError as error:
        raise refused("handles_missing") from error
    return template.fill(values)


def draft_id(handles: Mapping[str, str]) -> str:
    """Return the draft's media id.

    Raises:
        PlatformRefused: `handles_missing`.
    """
    if not handles.get("draft"):
        raise refused("handles_missing")
    return handles["draft"]


async def remove(api: Api, handles: Mapping[str, str]) -> None:
    """Delete the draft and the library pictures of a preparation, lost ones included; each refusal is passed over."""
    covers = [value for key, value in handles.items() if key.startswith("cover:")]
    drafts = [handles["draft"]] if "draft" in handles else []
    if not drafts and "tried:draft" in handles and covers and (found := await _quietly(draft_with_cover(api, covers[0]))):
        drafts = [str(found)]
    for media_id in drafts:
        await _quietly(api.ask("draft/delete", {"media_id": media_id}))
    materials = {*covers, *(value for key, value in handles.items() if key.startswith("material:"))}
    if any(key.startswith("tried:") and key.removeprefix("tried:") not in handles for key in handles):
        listed = await _quietly(api.ask("material/batchget_material", {"type": "image", "offset": 0, "count": PAGE}))
        ours = [item for item in _items(listed or {}) if str(item.get("name")).startswith(handles["name"])]
        materials |= {text_of(item.get("media_id")) for item in ours}
    for media_id in sorted(materials):
        await _quietly(api.ask("material/del_material", {"media_id": media_id}))


async def _quietly(work: Any) -> Any:
    try:
        return await work
    except PlatformRefused:
        return None


async def _material_named(api: Api, name: str) -> dict[str, Any] | None:
    answer = await api.ask("material/batchget_material", {"type": "image", "offset": 0, "count": PAGE})
    return next((item for item in _items(answer) if item.get("name") == name), None)


def _items(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    items = answer.get("item")
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _required(answer: Mapping[str, Any], name: str) -> str:
    value = answer.get(name)
    if not isinstance(value, str) or not value:
        raise refused("malformed")
    return value
