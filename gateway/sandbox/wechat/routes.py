"""The endpoint table: path, method, whether success changes something, and what answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from gateway.sandbox.wechat import drafts, freepublish, mass, media, menus, quotas
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import Asked
from gateway.sandbox.wire import JSON, Reply

Answering = Callable[[Asked], JSON | Reply]

ESCAPED = re.compile(rb"(?<!\\)(?:\\\\)*\\u[0-9a-fA-F]{4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint. `body` is json, multipart or none; `writes` says that success has an effect."""

    answering: Answering
    method: str = "POST"
    body: str = "json"
    writes: bool = False


def _retired(_: Asked) -> JSON:
    raise Refused(45106)


def _reads(answering: Answering) -> Route:
    return Route(answering=answering)


def _writes(answering: Answering) -> Route:
    return Route(answering=answering, writes=True)


def _gets(answering: Answering, *, writes: bool = False) -> Route:
    return Route(answering=answering, method="GET", body="none", writes=writes)


def _uploads(answering: Answering) -> Route:
    return Route(answering=answering, body="multipart", writes=True)


ROUTES: dict[str, Route] = {
    "getcallbackip": _gets(menus.ip_list),
    "get_api_domain_ip": _gets(menus.ip_list),
    "clear_quota": _writes(quotas.clear_quota),
    "openapi/quota/get": _reads(quotas.quota_get),
    "media/upload": _uploads(media.upload),
    "media/get": _gets(media.download),
    "media/uploadimg": _uploads(media.uploadimg),
    "media/uploadnews": _writes(mass.uploadnews),
    "material/add_material": _uploads(media.add_material),
    "material/add_news": _reads(_retired),
    "material/update_news": _reads(_retired),
    "material/get_material": _reads(media.get_material),
    "material/batchget_material": _reads(media.batchget_material),
    "material/get_materialcount": _gets(media.get_materialcount),
    "material/del_material": _writes(media.del_material),
    "draft/add": _writes(drafts.add),
    "draft/get": _reads(drafts.get),
    "draft/update": _writes(drafts.update),
    "draft/delete": _writes(drafts.delete),
    "draft/batchget": _reads(drafts.batchget),
    "draft/count": _gets(drafts.count),
    "freepublish/submit": _writes(freepublish.submit),
    "freepublish/get": _reads(freepublish.get),
    "freepublish/delete": _writes(freepublish.delete),
    "freepublish/getarticle": _reads(freepublish.getarticle),
    "freepublish/batchget": _reads(freepublish.batchget),
    "message/mass/sendall": _writes(mass.sendall),
    "message/mass/send": _writes(mass.send),
    "message/mass/preview": _writes(mass.preview),
    "message/mass/get": _reads(mass.get),
    "message/mass/delete": _writes(mass.delete),
    "message/mass/speed/get": Route(answering=mass.speed_get, body="none"),
    "message/mass/speed/set": _writes(mass.speed_set),
    "comment/open": _writes(partial(menus.comment_switch, is_open=True)),
    "comment/close": _writes(partial(menus.comment_switch, is_open=False)),
    "comment/list": _reads(menus.comment_list),
    "comment/markelect": _reads(menus.comment_absent),
    "comment/unmarkelect": _reads(menus.comment_absent),
    "comment/delete": _reads(menus.comment_absent),
    "comment/reply/add": _reads(menus.comment_absent),
    "comment/reply/delete": _reads(menus.comment_absent),
    "menu/create": _writes(menus.create),
    "menu/addconditional": _writes(menus.addconditional),
    "menu/delconditional": _writes(menus.delconditional),
    "menu/get": _gets(menus.get),
    "menu/delete": _gets(menus.delete, writes=True),
    "get_current_selfmenu_info": _gets(menus.current_selfmenu),
}
