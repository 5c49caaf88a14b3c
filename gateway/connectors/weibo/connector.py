"""The Weibo connector: one call that posts a short text (statuses/share); there are no drafts and no edits.

Channel settings: `safe_domains` (comma separated). Credential: `access_token`, `uid` of the account, `app` (the app's name as
posts show it). A publication costs at most two of the hundred daily calls, an unknown outcome at most four more.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors import multipart
from gateway.connectors.answers import NOT_SENT, lost, text_of
from gateway.connectors.base import (
    Absent,
    Call,
    ChannelFacts,
    CredentialField,
    Gone,
    Live,
    LoadMedia,
    Operation,
    Outcome,
    PlatformRefused,
    Prepared,
    Previous,
    ProbeStep,
    SaveHandle,
    Settled,
    Template,
    Undecided,
    Unknown,
    offered,
)
from gateway.connectors.transport import NotSent, ReplyLost
from gateway.connectors.weibo import normaliser, render
from gateway.connectors.weibo.api import Answer, Api
from gateway.connectors.weibo.words import GONE, UNCLEAR, WORDS, refused, rejected
from gateway.content import Content

LOOKS: Final = (150.0, 900.0, 3600.0)
"""Seconds after a dispatch at which the timeline is read; a post can appear late (20032: one to two minutes)."""

SETTLING: Final = 90.0
EARLY: Final = timedelta(minutes=2)
LATE: Final = timedelta(minutes=30)
KEPT_PICTURES: Final = 16
_ENDINGS: Final = {"image/jpeg": "jpg", "image/png": "png", "image/gif": "gif"}


class WeiboConnector:
    """See `gateway.connectors.base.Connector`.

    Remembers which credential versions were found to belong to their account, and the pictures of preparations that were not
    sent yet: the one call carries the picture itself. Losing either costs a repeat.
    """

    platform = render.PLATFORM
    version = render.CONNECTOR
    sends = frozenset({render.CONNECTOR})
    operations = offered("weibo")
    credential_fields = (
        CredentialField(key="access_token", zh="授权令牌（access_token）", en="Access token", secret=True),
        CredentialField(key="uid", zh="微博账号 UID", en="UID of the account", secret=False),
        CredentialField(key="app", zh="应用名称（微博下方“来自 …”）", en="App name as posts show it", secret=False),
    )

    def __init__(self) -> None:
        self._checked: set[tuple[str, str, int]] = set()
        self._pictures: OrderedDict[Digest, bytes] = OrderedDict()

    def prepares(self, operation: Operation) -> bool:
        """See the contract: there are no drafts; a withdrawal pins what is live."""
        return operation is not Operation.PUBLISH

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """See the contract and `gateway.connectors.weibo.render`."""
        return render.render(content, channel, operation, previous)

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str],
                      save: SaveHandle) -> Prepared:  # noqa: ARG002 -- Weibo assigns no handle before the post exists
        """See the contract: checks that the credential is the account's, and that a post to withdraw is there."""
        fields = template.fill({})
        filled = canonical.digest(fields)
        await self._right_account(call)
        for item in template.media:
            self._keep(item.digest, load(item.digest))
        snapshot = filled if template.operation is Operation.PUBLISH else await _shown(call, fields["id"])
        return Prepared(handles=dict(handles), filled=filled, snapshot=snapshot)

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:  # noqa: ARG002 -- see the contract
        """See the contract; before a publication there is nothing on Weibo that could be altered."""
        fields = template.fill({})
        return canonical.digest(fields) if template.operation is Operation.PUBLISH else await _shown(call, fields["id"])

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:  # noqa: ARG002 -- see the contract
        """See the contract: one statuses/share or statuses/destroy."""
        fields = template.fill({})
        try:
            if template.operation is Operation.WITHDRAW:
                return _destroyed(await Api(call).once("statuses/destroy", {"id": fields["id"]}), fields["id"])
            if not call.rip:
                return rejected("rip_missing")
            picture = self._file(template)
            if template.media and picture is None:
                return rejected("picture_not_loaded")
            answer = await Api(call).once("statuses/share", {"status": fields["status"], "rip": call.rip}, picture)
            return _shared(answer, call)
        except NotSent:
            return NOT_SENT
        except ReplyLost as error:
            return lost(error)

    async def follow(self, call: Call, handle: str) -> Outcome:  # noqa: ARG002 -- the contract's parameters
        """See the contract; Weibo answers at once, so nothing is ever pending."""
        return Unknown(cause="never_pending")

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:  # noqa: ARG002
        """See the contract: found in the timeline is live; not found proves nothing, and in the end only people can settle it."""
        waited = (call.now() - dispatched_at).total_seconds()
        fields = template.fill({})
        try:
            if template.operation is Operation.WITHDRAW:
                return await _withdrawn(call, fields["id"], waited)
            if waited < LOOKS[0]:
                return Undecided(reason="too_early", again_after=LOOKS[0] - waited)
            if live := await _find(call, fields["status"], dispatched_at, picture=bool(template.media)):
                return live
        except PlatformRefused as error:
            return Undecided(reason=error.code, again_after=1800.0 if error.transient else 3600.0)
        later = next((at for at in LOOKS if at > waited), None)
        return Undecided(reason="not_listed", again_after=None if later is None else later - waited)

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:  # noqa: ARG002 -- see the contract
        """See the contract; one counted read."""
        try:
            post = await Api(call).get("statuses/show", id=live.id)
        except PlatformRefused as error:
            if error.code == str(GONE):
                return False
            raise
        return normaliser.same(post, template.fill({})["status"], picture=bool(template.media))

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """See the contract; nothing is left on Weibo by a preparation."""

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """See the contract."""
        values = {field.key: form.get(field.key, "").strip() for field in self.credential_fields}
        token = values["access_token"]
        if not 8 <= len(token) <= 512 or not (token.isascii() and token.isprintable()) or " " in token:
            raise ValueError("access_token")
        if not (values["uid"].isascii() and values["uid"].isdigit()):
            raise ValueError("uid")
        if not values["app"] or not values["app"].isprintable():
            raise ValueError("app")
        return canonical.encode(values)

    async def probe(self, call: Call) -> list[ProbeStep]:
        """See the contract: Weibo has no drafts, so token, account and what is left of the day's calls are tried."""
        try:
            info = await Api(call).token_info()
        except PlatformRefused as error:
            return [ProbeStep(name="token", ok=False, zh=error.zh, en=error.en)]
        steps = [ProbeStep(name="token", ok=True, zh="正常。", en="Works.")]
        if text_of(info.get("uid")) != call.credential["uid"]:
            wrong = refused("wrong_account")
            return [*steps, ProbeStep(name="account", ok=False, zh=wrong.zh, en=wrong.en)]
        steps.append(ProbeStep(name="account", ok=True, zh="正常。", en="Works."))
        try:
            left = (await Api(call).get("account/rate_limit_status")).get("remaining_user_hits")
        except PlatformRefused as error:
            return [*steps, ProbeStep(name="quota", ok=False, zh=error.zh, en=error.en)]
        return [*steps, ProbeStep(name="quota", ok=True, zh=f"今天还可调用 {left} 次。", en=f"{left} calls are left today.")]

    async def _right_account(self, call: Call) -> None:
        """Refuse a token of another account; asked once for each credential version, since it counts."""
        key = (call.base_url, call.credential["uid"], call.credential_version)
        if key in self._checked:
            return
        if text_of((await Api(call).get("account/get_uid")).get("uid")) != call.credential["uid"]:
            raise refused("wrong_account")
        self._checked.add(key)

    def _keep(self, digest: Digest, data: bytes) -> None:
        self._pictures[digest] = data
        self._pictures.move_to_end(digest)
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)

    def _file(self, template: Template) -> multipart.File | None:
        for item in template.media:
            if (data := self._pictures.get(item.digest)) is not None:
                return multipart.File(field="pic", name=f"{item.digest[7:23]}.{_ENDINGS[item.type]}", type=item.type, data=data)
        return None


def _shared(answer: Answer | None, call: Call) -> Outcome:
    if answer is None:
        return Unknown(cause="unreadable")
    if answer.code:
        return _refusal(answer.code)
    idstr = normaliser.number(answer.value)
    if not idstr:
        return Unknown(cause="no_id")
    return Live(id=idstr, url=normaliser.address(call.base_url, call.credential["uid"], idstr))


def _destroyed(answer: Answer | None, idstr: str) -> Outcome:
    if answer is None:
        return Unknown(cause="unreadable")
    if answer.code == GONE:
        return Gone(id=idstr)
    if answer.code:
        return _refusal(answer.code)
    return Gone(id=idstr) if normaliser.number(answer.value) == idstr else Unknown(cause="other_id")


def _refusal(code: int) -> Outcome:
    return Unknown(cause=f"error_code:{code}") if code in UNCLEAR or code not in WORDS else rejected(code)


async def _shown(call: Call, idstr: str) -> Digest:
    """Return the digest of what a live post shows."""
    post = await Api(call).get("statuses/show", id=idstr)
    return canonical.digest({"id": normaliser.number(post), "text": normaliser.masked(str(post.get("text") or ""))})


async def _find(call: Call, status: str, dispatched_at: datetime, *, picture: bool) -> Live | None:
    """Return the post that this app wrote at about that time with these words, or None."""
    uid = call.credential["uid"]
    answer = await Api(call).get("statuses/user_timeline", uid=uid, count="50", trim_user="1")
    posts: list[Any] = answer["statuses"] if isinstance(answer.get("statuses"), list) else []
    for post in posts:
        at = normaliser.written_at(post) if isinstance(post, dict) else None
        if at is None or not dispatched_at - EARLY <= at <= dispatched_at + LATE:
            continue
        ours = normaliser.source(post) == call.credential["app"] and normaliser.writer(post) in {"", uid}
        if ours and normaliser.number(post) and normaliser.same(post, status, picture=picture):
            idstr = normaliser.number(post)
            return Live(id=idstr, url=normaliser.address(call.base_url, uid, idstr))
    return None


async def _withdrawn(call: Call, idstr: str, waited: float) -> Settled:
    try:
        await Api(call).get("statuses/show", id=idstr)
    except PlatformRefused as error:
        if error.code == str(GONE):
            return Gone(id=idstr)
        raise
    if waited < SETTLING:
        return Undecided(reason="still_settling", again_after=SETTLING - waited)
    return Absent(how="still_public")
