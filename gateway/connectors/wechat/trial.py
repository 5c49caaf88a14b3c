"""Trying a WeChat credential: token and allow-list, the right to publish, a draft made and deleted; nothing becomes public."""

from __future__ import annotations

import secrets
import struct
import zlib
from typing import Final

from gateway.connectors import multipart
from gateway.connectors.base import PlatformRefused, ProbeStep
from gateway.connectors.wechat.api import Api
from gateway.connectors.wechat.drafts import remove

_STEPS: Final = ("token", "right_to_publish", "draft")


async def probe(api: Api) -> list[ProbeStep]:
    """Return one step for each thing tried, ending at the first that failed."""
    steps: list[ProbeStep] = []
    for name, attempt in zip(_STEPS, (_token, _right, _draft), strict=True):
        try:
            await attempt(api)
        except PlatformRefused as error:
            return [*steps, ProbeStep(name=name, ok=False, zh=error.zh, en=error.en)]
        steps.append(ProbeStep(name=name, ok=True, zh="正常。", en="Works."))
    return steps


async def _token(api: Api) -> None:
    await api.token()


async def _right(api: Api) -> None:
    await api.ask("freepublish/batchget", {"offset": 0, "count": 1, "no_content": 1})


async def _draft(api: Api) -> None:
    """Make a cover and a draft and delete both, whatever happens in between."""
    name = "qf-probe-" + secrets.token_hex(8)
    handles: dict[str, str] = {}
    try:
        file = multipart.File(field="media", name=f"{name}.png", type="image/png", data=_dot())
        handles["cover:probe"] = str((await api.upload("material/add_material", file, "&type=image")).get("media_id", ""))
        article = {"title": name, "content": "<p>probe</p>", "thumb_media_id": handles["cover:probe"], "article_type": "news"}
        handles["draft"] = str((await api.ask("draft/add", {"articles": [article]})).get("media_id", ""))
    finally:
        await remove(api, handles)


def _dot() -> bytes:
    """Return a PNG of one grey pixel (RFC 2083)."""
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)), (b"IDAT", zlib.compress(b"\x00\x80")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
