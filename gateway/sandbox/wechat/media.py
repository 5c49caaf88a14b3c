"""Pictures, temporary media and the permanent material library.

Source: documentation of media/uploadimg, media/upload and the material endpoints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gateway.sandbox.pictures import CONTENT_TYPES, picture_format
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Account, Asked, Material, opaque_id
from gateway.sandbox.wire import JSON, Reply, Upload, form_of, json_object

BODY_PICTURE_LIMIT = 1024 * 1024
TEMPORARY_LIFE = 3 * 24 * 3600
_MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    limit: int
    too_big: int
    formats: frozenset[str] | None
    wrong_format: int


_RULES: dict[str, _Rule] = {
    "image": _Rule(limit=10 * _MEGABYTE, too_big=40009, formats=frozenset({"jpeg", "png", "gif", "bmp"}), wrong_format=40137),
    "thumb": _Rule(limit=64 * 1024, too_big=40012, formats=frozenset({"jpeg"}), wrong_format=40005),
    "voice": _Rule(limit=2 * _MEGABYTE, too_big=40010, formats=None, wrong_format=40005),
    "video": _Rule(limit=10 * _MEGABYTE, too_big=40011, formats=None, wrong_format=40005),
}


def uploadimg(asked: Asked) -> JSON:
    """media/uploadimg: a JPEG or PNG below 1 MB for bodies; answers a public address and takes no library space."""
    upload = _upload(asked)
    picture = picture_format(upload.data)
    if picture not in {"jpeg", "png"}:
        raise Refused(40005)
    if len(upload.data) >= BODY_PICTURE_LIMIT:
        raise Refused(40009)
    material = _stored(asked, upload, "image")
    asked.account.pictures[material.url] = material
    return {"url": material.url}


def upload(asked: Asked) -> JSON:
    """media/upload: a temporary medium, kept three days."""
    kind = asked.call.query.get("type", "")
    material = _checked(asked, kind)
    asked.account.temporaries[material.media_id] = material
    answer: JSON = {"type": kind, "media_id": material.media_id, "created_at": int(asked.now)}
    if kind == "thumb":
        answer = {"type": kind, "thumb_media_id": material.media_id, "created_at": int(asked.now)}
    return answer


def download(asked: Asked) -> Reply:
    """media/get: the bytes of a temporary medium; 40007 once its three days are over."""
    material = asked.account.temporaries.get(asked.call.query.get("media_id", ""))
    if material is None or asked.now - material.at > TEMPORARY_LIFE:
        raise Refused(40007)
    return _bytes(asked, material)


def add_material(asked: Asked) -> JSON:
    """material/add_material: a permanent file; only pictures get an address, videos need a description."""
    form = form_of(asked.call)
    kind = asked.call.query.get("type") or form.fields.get("type", "")
    material = _checked(asked, kind)
    if kind == "video":
        described = form.fields.get("description") or asked.call.query.get("description", "")
        words = json_object(described.encode()) or {}
        if not words.get("title"):
            raise Refused(40035)
        material.title, material.introduction = str(words["title"]), str(words.get("introduction", ""))
    if kind not in {"image", "thumb"}:
        material.url = ""
    asked.account.materials[material.media_id] = material
    return {"media_id": material.media_id, "url": material.url} if kind == "image" else {"media_id": material.media_id}


def get_material(asked: Asked) -> JSON | Reply:
    """material/get_material: bytes of a picture or sound, words and an address for a video."""
    material = _material(asked)
    if material.kind == "video":
        address = f"{asked.base_url}/mmbiz_video/{material.media_id}"
        return {"title": material.title, "description": material.introduction, "down_url": address}
    return _bytes(asked, material)


def batchget_material(asked: Asked) -> JSON:
    """material/batchget_material: the library page by page, newest first; news lists published and mass-sent nothing."""
    kind = str(asked.body.get("type"))
    if kind not in {"image", "video", "voice", "news"}:
        raise Refused(40004)
    offset, number = page_of(asked.body)
    found = [one for one in reversed(asked.account.materials.values()) if one.kind == kind]
    items = [_listed(one) for one in found[offset : offset + number]]
    return {"item": items, "total_count": len(found), "item_count": len(items)}


def get_materialcount(asked: Asked) -> JSON:
    """material/get_materialcount: how many permanent files of each kind there are."""
    kinds = [one.kind for one in asked.account.materials.values()]
    answer = {f"{kind}_count": kinds.count(kind) for kind in ("voice", "video", "image")}
    return answer | {"news_count": 0}


def del_material(asked: Asked) -> JSON:
    """material/del_material: delete; 48005 while the menu uses it."""
    material = _material(asked)
    if _used_by_menu(asked.account, material.media_id):
        raise Refused(48005)
    del asked.account.materials[material.media_id]
    return OK


def page_of(body: JSON) -> tuple[int, int]:
    """Read offset and count (1 to 20) of a list request; 40097 when they are out of range."""
    offset, number = body.get("offset", 0), body.get("count", 20)
    if not isinstance(offset, int) or not isinstance(number, int) or offset < 0 or not 1 <= number <= 20:
        raise Refused(40097)
    return offset, number


def _upload(asked: Asked) -> Upload:
    found = form_of(asked.call).files.get("media")
    if found is None:
        raise Refused(41005)
    if not found.data:
        raise Refused(44001)
    return found


def _checked(asked: Asked, kind: str) -> Material:
    rule = _RULES.get(kind)
    if rule is None:
        raise Refused(40004)
    upload = _upload(asked)
    if len(upload.data) > rule.limit:
        raise Refused(rule.too_big)
    if rule.formats is not None and picture_format(upload.data) not in rule.formats:
        raise Refused(rule.wrong_format)
    return _stored(asked, upload, kind)


def _stored(asked: Asked, upload: Upload, kind: str) -> Material:
    picture = picture_format(upload.data) or ""
    media_id = opaque_id()
    url = f"{asked.base_url}/mmbiz_{picture[:3] if picture != 'jpeg' else 'jpg'}/{opaque_id()}/0?wx_fmt={picture}"
    return Material(
        media_id=media_id, kind=kind, name=upload.filename, blob=asked.storage.put(upload.data), format=picture,
        at=asked.now, url=url if picture else "",
    )  # fmt: skip


def _material(asked: Asked) -> Material:
    media_id = asked.body.get("media_id")
    if not media_id:
        raise Refused(41006)
    material = asked.account.materials.get(str(media_id))
    if material is None:
        raise Refused(40007)
    return material


def _bytes(asked: Asked, material: Material) -> Reply:
    content_type = CONTENT_TYPES.get(material.format, "application/octet-stream")
    headers = {"Content-Type": content_type, "Content-disposition": f'attachment; filename="{material.media_id}"'}
    return Reply(body=asked.storage.get(material.blob), headers=headers)


def _listed(material: Material) -> JSON:
    return {"media_id": material.media_id, "name": material.name, "update_time": int(material.at), "url": material.url}


def _used_by_menu(account: Account, media_id: str) -> bool:
    def used(value: Any) -> bool:
        if isinstance(value, dict):
            return value.get("media_id") == media_id or any(map(used, value.values()))
        return isinstance(value, list) and any(map(used, value))

    return used(account.menu) or used(list(account.conditional_menus.values()))
