"""The exact rendition: a stored template as a document of its own, and the stored pictures it shows.

1. The bytes come from the blob store, hashed again on loading; nothing is rendered anew.
2. The document has its own address and policy: no script, no request but pictures of this host, sandboxed. The page frames it.
3. Pictures are served by what their first bytes say they are; anything else is not served.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Final

from aiohttp import web

from gateway import canonical
from gateway.canonical import NotCanonical
from gateway.connectors.base import Segment, Slot, Template
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter.parts import COUNTER, Counter
from gateway.protocol.denials import Denied

FRAME_POLICY: Final = (
    "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; base-uri 'none'; form-action 'none'; "
    "sandbox allow-same-origin"
)
MEDIA: Final = "/s/media/"
"""Where stored pictures are served to who looks at the counter."""

MAGIC: Final = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF87a", "image/gif"), (b"GIF89a", "image/gif"))
STYLE: Final = (
    "html{color-scheme:light}body{margin:0;padding:16px;background:#fff;color:#222;font:17px/1.75 'PingFang SC','HarmonyOS Sans SC',"
    "'Microsoft YaHei UI','Noto Sans CJK SC',sans-serif;overflow-wrap:anywhere}h1{font-size:22px;line-height:1.4;margin:0 0 8px;font-weight:600}"
    ".by{color:#767676;font-size:15px;line-height:22px;margin:0 0 14px}img{max-width:100%;height:auto}p{margin:0 0 14px}"
    ".cover{display:block;width:100%;margin:0 0 14px}table{max-width:100%;border-collapse:collapse}pre{white-space:pre-wrap}"
    ".card{margin-top:24px;border:1px solid #E1E5EA;border-radius:8px;padding:12px;font-size:14px;line-height:22px}.card p{margin:0 0 8px}"
    ".card img{display:block;width:100%;aspect-ratio:2.35;object-fit:cover;margin:0 0 8px}"
)
_SHOWN: Final = {"wechat": ("title", "author", "content", "digest", "thumb_media_id"), "weibo": ("status",), "wordpress": ("title", "content", "featured_media")}


def load(counter: Counter, digest: str) -> Template:
    """Return a stored template.

    Raises:
        Denied: `not_found` for none; `scope_mismatch` where its bytes are not what its digest says.
    """
    try:
        return Template.parse(counter.parts.runner.blobs.get(digest))
    except (BlobMissing, NotCanonical) as error:
        raise Denied("not_found", detail="template") from error
    except BlobAltered as error:
        raise Denied("scope_mismatch", detail="blob altered") from error


async def frame(request: web.Request) -> web.Response:
    """Serve a template as a document."""
    template = load(request.app[COUNTER], request.match_info["digest"])
    name = next((c.name for c in request.app[COUNTER].parts.runner.state.channels.values()
                 if (c.platform, c.account) == (template.platform, template.account)), template.account)
    answer = web.Response(text=document(template, name), content_type="text/html", charset="utf-8")
    answer.headers["Content-Security-Policy"] = FRAME_POLICY
    answer.headers["X-Frame-Options"] = "SAMEORIGIN"
    return answer


def document(template: Template, name: str = "", pictures: str = MEDIA) -> str:
    """Return the document of a template: what the public will see of it; `name` is the account's, as readers see it.

    `pictures` is where the pictures are served to whoever looks: here, or at the desk for its author.
    """
    fields = template.fields
    parts = []
    if template.operation == "withdraw":
        previous = template.previous
        parts.append(f"<h1>撤稿 Withdrawal</h1><p>{html.escape(previous.url if previous else '')}</p>")
    elif template.platform == "weibo":
        parts.append(f"<p style=\"white-space:pre-wrap\">{html.escape(_text(fields, 'status', pictures))}</p>")
        parts += [f'<img class="cover" alt="" src="{pictures}{media.digest}">' for media in template.media]
    else:
        title = _text(fields, "title", pictures)
        parts.append(f"<h1>{title if template.platform == 'wordpress' else html.escape(title)}</h1>")  # WordPress takes a title as HTML
        if template.platform == "wechat":
            parts.append(f"<p class=\"by\">{html.escape(' · '.join(filter(None, (_text(fields, 'author', pictures), name or template.account))))}</p>")
        if template.platform == "wordpress":
            parts += [f'<img class="cover" alt="" src="{pictures}{m.digest}">' for m in template.media if m.role == "cover"]
        parts.append(_text(fields, "content", pictures))
        if template.platform == "wechat":
            parts.append(_card(template, pictures))
    return (
        '<!doctype html><html lang="zh-CN"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>rendition</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>"
    )


def _card(template: Template, pictures: str) -> str:
    """Return the card that a WeChat article is shared and listed as: cover, title, summary."""
    cover = "".join(f'<img alt="" src="{pictures}{m.digest}">' for m in template.media if m.role == "cover")
    words = f"<b>{html.escape(_text(template.fields, 'title', pictures))}</b><br>{html.escape(_text(template.fields, 'digest', pictures))}"
    return f'<div class="card"><p class="by">转发卡片 · Share card</p>{cover}<p>{words}</p></div>'


def _text(fields: Mapping[str, tuple[Segment, ...]], name: str, pictures: str = MEDIA) -> str:
    return "".join(pictures + s.digest if isinstance(s, Slot) else s for s in fields.get(name, ()))


def others(template: Template) -> list[tuple[str, str]]:
    """Return the governed fields that the document does not show, by platform name: all of a template is in view."""
    shown = _SHOWN.get(template.platform, ())
    return [(name, _text(template.fields, name)) for name in sorted(template.fields) if name not in shown or template.operation == "withdraw"]


def address(digest: str) -> str:
    """Return where a stored picture is served."""
    return MEDIA + digest


async def media(request: web.Request) -> web.Response:
    """Serve a stored picture."""
    try:
        data = request.app[COUNTER].parts.runner.blobs.get(canonical.parse_digest(request.match_info["digest"]))
    except (BlobMissing, BlobAltered, NotCanonical) as error:
        raise Denied("not_found", detail="picture") from error
    kind = next((kind for magic, kind in MAGIC if data.startswith(magic)), None)
    if kind is None:
        raise Denied("not_found", detail="picture")
    answer = web.Response(body=data, content_type=kind)
    answer.headers["Content-Security-Policy"] = "default-src 'none'; sandbox; frame-ancestors 'none'"
    return answer
