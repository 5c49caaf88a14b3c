"""The WeChat connector: a draft, read back, then published without a push (freepublish).

Channel settings: `author` (a fixed author's name, else the content's). Credential: `appid`, `secret`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.answers import NOT_PREPARED, NOT_SENT, lost
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
    ReadBackDiffers,
    Rejected,
    SaveHandle,
    Settled,
    Template,
    Undecided,
    Unknown,
    offered,
)
from gateway.connectors.handles import Handles
from gateway.connectors.transport import NotSent, ReplyLost
from gateway.connectors.wechat import drafts, normaliser, published, render, trial
from gateway.connectors.wechat.api import Api
from gateway.connectors.wechat.tokens import Tokens
from gateway.connectors.wechat.words import refused
from gateway.content import Content

SEARCH_AFTER: Final = 1800.0
"""Seconds after a dispatch before its outcome is searched for: by then WeChat's task has ended."""

SETTLING: Final = 90.0
"""Seconds after a deletion of unknown outcome before `still there` proves anything."""

_APPID: Final = re.compile(r"[A-Za-z0-9_-]{4,64}")
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{8,128}")


class WeChatConnector:
    """See `gateway.connectors.base.Connector`; holds access tokens in memory and nothing else."""

    platform = render.PLATFORM
    version = render.CONNECTOR
    sends = frozenset({render.CONNECTOR})
    operations = offered(render.PLATFORM)
    credential_fields = (
        CredentialField(key="appid", zh="AppID（开发者 ID）", en="AppID", secret=False),
        CredentialField(key="secret", zh="AppSecret（开发者密码）", en="AppSecret", secret=True),
    )

    def __init__(self) -> None:
        self._tokens = Tokens()

    def prepares(self, operation: Operation) -> bool:  # noqa: ARG002 -- all of them
        """See the contract: a publication is a draft first, and a withdrawal pins what is live."""
        return True

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """See the contract and `gateway.connectors.wechat.render`."""
        return render.render(content, channel, operation, previous)

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str],
                      save: SaveHandle) -> Prepared:
        """See the contract. A withdrawal pins what is live."""
        api = Api(call, self._tokens)
        kept = Handles(handles, save)
        if template.operation is Operation.WITHDRAW:
            fields = template.fill({})
            shown = await published.article(api, fields["article_id"])
            if shown.get("is_deleted"):
                raise refused("already_deleted")
            return Prepared(handles=kept.all(), filled=canonical.digest(fields), snapshot=normaliser.snapshot(normaliser.view(shown)))
        await drafts.pictures(api, kept, template, load)
        fields = drafts.filled(template, kept.all())
        shown_view = await _draft_view(api, await drafts.draft(api, kept, fields))
        if where := normaliser.differs(normaliser.view(fields), shown_view):
            raise ReadBackDiffers(where)
        return Prepared(handles=kept.all(), filled=canonical.digest(fields), snapshot=normaliser.snapshot(shown_view))

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:
        """See the contract."""
        api = Api(call, self._tokens)
        if template.operation is Operation.WITHDRAW:
            shown = await published.article(api, template.fill({})["article_id"])
            if shown.get("is_deleted"):
                raise refused("already_deleted")
            return normaliser.snapshot(normaliser.view(shown))
        return normaliser.snapshot(await _draft_view(api, drafts.draft_id(prepared.handles)))

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:
        """See the contract. The token is taken before the call; one that is refused in it ends the attempt."""
        api = Api(call, self._tokens)
        media_id = prepared.handles.get("draft", "")
        if template.operation is Operation.PUBLISH and not media_id:
            return NOT_PREPARED
        try:
            token = await api.token()
        except PlatformRefused as error:
            return NOT_SENT if error.transient else Rejected(code=error.code, zh=error.zh, en=error.en)
        try:
            if template.operation is Operation.WITHDRAW:
                return await _withdraw(api, template, token)
            return published.submitted(await api.once("freepublish/submit", {"media_id": media_id}, token))
        except NotSent:
            return NOT_SENT
        except ReplyLost as error:
            return lost(error)

    async def follow(self, call: Call, handle: str) -> Outcome:
        """See the contract; what passes by itself (busy, network) is `Pending`."""
        return await published.follow(Api(call, self._tokens), handle)

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
        """See the contract: half an hour after the dispatch the published list is searched, then the draft is taken away."""
        api = Api(call, self._tokens)
        waited = (call.now() - dispatched_at).total_seconds()
        try:
            if template.operation is Operation.WITHDRAW:
                return await _withdrawn(api, template.fill({})["article_id"], waited)
            if waited < SEARCH_AFTER:
                return Undecided(reason="too_early", again_after=SEARCH_AFTER - waited)
            return await _settle(api, template, prepared, dispatched_at)
        except PlatformRefused as error:
            if error.code == "handles_missing":
                return Undecided(reason=error.code, again_after=None)
            return Undecided(reason=error.code, again_after=600.0 if error.transient else 3600.0)

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:
        """See the contract; the cover's id is not compared, since WeChat may give it a new one."""
        try:
            shown = await published.article(Api(call, self._tokens), live.id)
        except PlatformRefused as error:
            if error.code in {"53600", "40007", "draft_gone"}:
                return False
            raise
        if shown.get("is_deleted"):
            return False
        approved = normaliser.view(drafts.filled(template, prepared.handles))
        return normaliser.differs(approved, normaliser.view(shown), normaliser.PUBLIC) is None

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """See the contract; addresses given by uploadimg cannot be deleted on WeChat and stay unreferenced."""
        await drafts.remove(Api(call, self._tokens), handles)

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """See the contract."""
        values = {key: form.get(key, "").strip() for key in ("appid", "secret")}
        if not _APPID.fullmatch(values["appid"]):
            raise ValueError("appid")
        if not _SECRET.fullmatch(values["secret"]):
            raise ValueError("secret")
        return canonical.encode(values)

    async def probe(self, call: Call) -> list[ProbeStep]:
        """See the contract. A token of its own: one that is held was fetched with a secret that was right, and says nothing of this one."""
        return await trial.probe(Api(call, Tokens()))


async def _draft_view(api: Api, media_id: str) -> normaliser.View:
    return normaliser.view(normaliser.only_article(await api.ask("draft/get", {"media_id": media_id})))


async def _withdraw(api: Api, template: Template, token: str) -> Outcome:
    fields = template.fill({})
    answer = await api.once("freepublish/delete", published.deletion(fields["article_id"], int(fields["index"])), token)
    if answer is None:
        return Unknown(cause="unreadable")
    return published.refusal(answer) if answer.code else await published.confirmed(api, fields["article_id"])


async def _withdrawn(api: Api, article_id: str, waited: float) -> Settled:
    try:
        shown = await published.article(api, article_id)
    except PlatformRefused as error:
        if error.code == "53600":
            return Gone(id=article_id)
        raise
    if shown.get("is_deleted"):
        return Gone(id=article_id)
    if waited < SETTLING:
        return Undecided(reason="still_settling", again_after=SETTLING - waited)
    return Absent(how="still_public")


async def _settle(api: Api, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
    media_id = drafts.draft_id(prepared.handles)
    approved = normaliser.view(drafts.filled(template, prepared.handles))
    if live := await published.find(api, approved, dispatched_at):
        return live
    if not await _there(api, media_id):
        return Undecided(reason="draft_gone", again_after=None)
    try:
        await api.ask("draft/delete", {"media_id": media_id})
    except PlatformRefused as error:
        # Its answer may be lost as well: whether the draft is gone is asked, not assumed.
        if await _there(api, media_id):
            return Undecided(reason=error.code, again_after=600.0)
    return await published.find(api, approved, dispatched_at) or Absent(how="draft_deleted")


async def _there(api: Api, media_id: str) -> bool:
    try:
        await api.ask("draft/get", {"media_id": media_id})
    except PlatformRefused as error:
        if error.code == "40007":
            return False
        raise
    return True
