"""Mass messages, which push to followers. Source: documentation of message/mass and observed 45065 answers."""

from __future__ import annotations

from gateway.sandbox.wechat.articles import copied, read_articles
from gateway.sandbox.wechat.quotas import china_day
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Asked, Draft, Mass, number_id, opaque_id, publish
from gateway.sandbox.wire import JSON, whole

KINDS = frozenset({"mpnews", "text", "voice", "image", "images", "mpvideo", "wxcard"})
MAX_CLIENTMSGID = 64
RETRY_APART = 60
ACCEPTED: JSON = {"errcode": 0, "errmsg": "send job submission success"}


def sendall(asked: Asked) -> JSON:
    """message/mass/sendall: to everyone or to a tag (older clients say group_id)."""
    chosen = asked.body.get("filter")
    if not isinstance(chosen, dict):
        raise Refused(40035)
    if not chosen.get("is_to_all") and chosen.get("tag_id") is None and chosen.get("group_id") is None:
        raise Refused(40035)
    return _send(asked)


def send(asked: Asked) -> JSON:
    """message/mass/send: to 2 to 10,000 named followers."""
    people = asked.body.get("touser")
    if not isinstance(people, list) or not 2 <= len(people) <= 10_000:
        raise Refused(40003)
    return _send(asked)


def preview(asked: Asked) -> JSON:
    """message/mass/preview: to one real person."""
    if not asked.body.get("touser") and not asked.body.get("towxname"):
        raise Refused(40003)
    if str(asked.body.get("msgtype")) not in KINDS:
        raise Refused(40008)
    return {"errcode": 0, "errmsg": "preview success"}


def get(asked: Asked) -> JSON:
    """message/mass/get: the state of a mass message."""
    message = _message(asked)
    return {"msg_id": message.msg_id, "msg_status": "DELETE" if message.deleted else "SEND_SUCCESS"}


def delete(asked: Asked) -> JSON:
    """message/mass/delete: delete article `article_idx` from 1; 0 or none deletes ALL."""
    message = _message(asked)
    publication = asked.account.publications.get(message.article_id)
    if publication is None:
        raise Refused(40008)
    index = whole(asked.body.get("article_idx"), 0)
    if index is None or not 0 <= index <= len(publication.articles):
        raise Refused(40097)
    for article in publication.articles if index == 0 else [publication.articles[index - 1]]:
        article.is_deleted = True
    message.deleted = all(article.is_deleted for article in publication.articles)
    return OK


def speed_get(asked: Asked) -> JSON:
    """message/mass/speed/get: the sending speed level and messages a minute in ten thousands."""
    return {"speed": asked.account.speed, "realspeed": (80, 60, 45, 30, 10)[asked.account.speed]}


def speed_set(asked: Asked) -> JSON:
    """message/mass/speed/set: choose a level from 0 to 4."""
    if "speed" not in asked.body:
        raise Refused(45084)
    speed = whole(asked.body["speed"])
    if speed is None or speed not in range(5):
        raise Refused(45083)
    asked.account.speed = speed
    return OK


def uploadnews(asked: Asked) -> JSON:
    """media/uploadnews: the legacy way to store articles for a mass message."""
    articles = read_articles(asked.body.get("articles"), asked.account, asked.base_url)
    now = int(asked.now)
    draft = Draft(media_id=opaque_id(), articles=articles, create_time=now, update_time=now)
    asked.account.drafts[draft.media_id] = draft
    return {"type": "news", "media_id": draft.media_id, "created_at": now}


def _send(asked: Asked) -> JSON:
    kind = str(asked.body.get("msgtype"))
    if kind not in KINDS or not isinstance(asked.body.get(kind), dict):
        raise Refused(40008)
    _refuse_repeated(asked)
    _refuse_without_quota(asked)
    account = asked.account
    message = Mass(
        msg_id=number_id(account.masses), msg_data_id=0, at=asked.now, kind=kind,
        clientmsgid=str(asked.body.get("clientmsgid") or ""),
    )  # fmt: skip
    if kind == "mpnews":
        draft = account.drafts.get(str(asked.body["mpnews"].get("media_id")))
        if draft is None:
            raise Refused(40007)
        publication = publish(account, copied(draft.articles, account, asked.base_url), asked.now, how="mass")
        del account.drafts[draft.media_id]
        message.article_id, message.msg_data_id = publication.article_id, publication.msg_data_id
    else:
        message.text = str(asked.body[kind].get("content", ""))
        message.msg_data_id = number_id(account.masses)
    account.masses[message.msg_id] = message
    return ACCEPTED | {"msg_id": message.msg_id, "msg_data_id": message.msg_data_id}


def _refuse_repeated(asked: Asked) -> None:
    """Dedupe by clientmsgid: too soon 45066, else 45065 with the message that exists."""
    wanted = str(asked.body.get("clientmsgid") or "")
    if len(wanted.encode()) > MAX_CLIENTMSGID:
        raise Refused(45067)
    earlier = next((one for one in asked.account.masses.values() if wanted and one.clientmsgid == wanted), None)
    if earlier is None:
        return
    if asked.now - earlier.at < RETRY_APART:
        raise Refused(45066)
    raise Refused(45065, msg_id=earlier.msg_id)


def _refuse_without_quota(asked: Asked) -> None:
    """One mass message a day for a subscription account, four a month for a service account: 45028."""
    length, most = (10, 1) if asked.account.kind == "subscription" else (7, 4)
    period = china_day(asked.now)[:length]
    if sum(china_day(one.at)[:length] == period for one in asked.account.masses.values()) >= most:
        raise Refused(45028)


def _message(asked: Asked) -> Mass:
    wanted = whole(asked.body.get("msg_id"))
    message = None if wanted is None else asked.account.masses.get(wanted)
    if message is None:
        raise Refused(40008)
    return message
