"""The WordPress connector: a draft first, pictures attached to it, and one call that writes every governed field with `publish`.

Channel settings: `site` (address of the WordPress, https), `categories` and `tags` (comma separated numbers), `author_id`
(number; the credential's own user where it is not set).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.answers import NOT_PREPARED, NOT_SENT, json_object, lost
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
from gateway.connectors.transport import NotSent, Reply, ReplyLost
from gateway.connectors.wordpress import drafts, render, trial
from gateway.connectors.wordpress.site import Site, error_code
from gateway.connectors.wordpress.words import refused, rejected
from gateway.content import Content

SETTLING: Final = 90.0
"""Seconds after a dispatch in which PHP may still be at work on it; before them a draft proves nothing."""

_DEFINITE: Final = frozenset({
    "not_signed_in", "incorrect_password", "invalid_username", "invalid_email", "application_passwords_disabled",
    "application_passwords_disabled_for_user", "rest_not_logged_in", "rest_cannot_edit", "rest_cannot_publish",
    "rest_cannot_edit_others", "rest_cannot_assign_sticky", "rest_cannot_assign_term", "rest_forbidden", "rest_invalid_param",
    "rest_missing_callback_param", "rest_invalid_json", "rest_post_invalid_id", "rest_no_route", "rest_invalid_author",
    "rest_user_cannot_delete_post", "rest_cannot_delete", "rest_trash_not_supported",
})
"""Refusals that WordPress decides before it writes; any other error may come after the post was already saved."""

_PASSWORD: Final = 24


class WordPressConnector:
    """See `gateway.connectors.base.Connector`; remembers only where REST roots were found."""

    platform = render.PLATFORM
    version = render.CONNECTOR
    sends = frozenset({render.CONNECTOR})
    operations = offered("wordpress")
    credential_fields = (
        CredentialField(key="user", zh="网站用户名", en="User name on the site", secret=False),
        CredentialField(key="application_password", zh="应用程序密码（24 位）", en="Application password (24 characters)", secret=True),
    )

    def __init__(self) -> None:
        self._roots: dict[str, str] = {}

    def prepares(self, operation: Operation) -> bool:  # noqa: ARG002 -- all of them
        """See the contract: a publication is a draft first, an edit and a withdrawal pin what is live."""
        return True

    def render(self, content: Content | None, channel: ChannelFacts, operation: Operation, previous: Previous | None) -> Template:
        """See the contract and `gateway.connectors.wordpress.render`."""
        return render.render(content, channel, operation, previous)

    async def prepare(self, call: Call, template: Template, load: LoadMedia, handles: Mapping[str, str],
                      save: SaveHandle) -> Prepared:
        """See the contract. An edit uploads its pictures and pins what is live; a withdrawal pins what is live."""
        site = Site(call, self._roots)
        kept = Handles(handles, save)
        if template.operation is not Operation.PUBLISH:
            await _live(site, template)
        if template.operation is Operation.WITHDRAW:
            return await self._prepared(site, template, kept)
        name = await drafts.name_of(kept)
        await drafts.author_of(site, kept, template)
        if template.operation is Operation.EDIT:
            parent = await kept.put("parent", _post_id(template, kept.all()))
            await drafts.pictures_of(site, kept, template, load, parent=parent, name=name)
            return await self._prepared(site, template, kept)
        await _free_slug(site, str(template.fields["slug"][0]), kept.get("post"))
        post = await drafts.draft_of(site, kept, name)
        await _still_a_draft(site, post)
        await drafts.pictures_of(site, kept, template, load, parent=post, name=name)
        await site.post(f"/wp/v2/posts/{post}", render.payload(drafts.filled(template, kept.all()), "draft"))
        return await self._prepared(site, template, kept)

    async def _prepared(self, site: Site, template: Template, kept: Handles) -> Prepared:
        handles = kept.all()
        filled = drafts.filled(template, handles)
        post = await _read(site, _post_id(template, handles))
        if template.operation is Operation.PUBLISH and (where := render.differs(filled, post)):
            raise ReadBackDiffers(where)
        return Prepared(handles=handles, filled=canonical.digest(filled), snapshot=render.snapshot(post))

    async def reread(self, call: Call, template: Template, prepared: Prepared) -> Digest:
        """See the contract; the status counts, so that a draft published by hand differs."""
        return render.snapshot(await _read(Site(call, self._roots), _post_id(template, prepared.handles)))

    async def commit(self, call: Call, template: Template, prepared: Prepared) -> Outcome:
        """See the contract: one POST with every governed field and the status, or the trash."""
        try:
            number = _post_id(template, prepared.handles)
            value = {} if template.operation is Operation.WITHDRAW else render.payload(
                drafts.filled(template, prepared.handles), "publish")
        except PlatformRefused:
            return NOT_PREPARED
        try:
            site = Site(call, self._roots)
            await site.find_root()
        except PlatformRefused:
            return NOT_SENT
        try:
            if template.operation is Operation.WITHDRAW:
                return _trashed(await site.send(f"/wp/v2/posts/{number}", value, override="DELETE"))
            return _published(await site.send(f"/wp/v2/posts/{number}", value, context="edit"))
        except NotSent:
            return NOT_SENT
        except ReplyLost as error:
            return lost(error)

    async def follow(self, call: Call, handle: str) -> Outcome:  # noqa: ARG002 -- the contract's parameters
        """See the contract; WordPress answers at once, so nothing is ever pending."""
        return Unknown(cause="never_pending")

    async def reconcile(self, call: Call, template: Template, prepared: Prepared, dispatched_at: datetime) -> Settled:
        """See the contract: one read by number settles it, once PHP cannot be at work on it any more."""
        site = Site(call, self._roots)
        try:
            number = _post_id(template, prepared.handles)
            if template.operation is Operation.EDIT:
                drafts.filled(template, prepared.handles)
        except PlatformRefused:
            return Undecided(reason="handles_missing", again_after=None)
        try:
            post = await _read(site, number)
        except PlatformRefused as error:
            if error.code == "rest_post_invalid_id":
                return Gone(id=number) if template.operation is Operation.WITHDRAW else Absent(how="post_deleted")
            return Undecided(reason=error.code, again_after=300.0 if error.transient else 3600.0)
        settled = _judge(template, prepared, post, number)
        waited = (call.now() - dispatched_at).total_seconds()
        if isinstance(settled, Absent) and waited < SETTLING:
            return Undecided(reason="still_settling", again_after=SETTLING - waited)
        return settled

    async def observe(self, call: Call, template: Template, live: Live, prepared: Prepared) -> bool:
        """See the contract: public, not behind a password, and every compared field as approved."""
        try:
            post = await _read(Site(call, self._roots), live.id)
        except PlatformRefused as error:
            if error.code == "rest_post_invalid_id":
                return False
            raise
        return post.get("status") == "publish" and render.differs(drafts.filled(template, prepared.handles), post) is None

    async def abandon(self, call: Call, handles: Mapping[str, str]) -> None:
        """See the contract: pictures and draft are destroyed, not trashed; a post that is public stays."""
        try:
            await drafts.remove(Site(call, self._roots), handles)
        except PlatformRefused:
            return

    def parse_credential(self, form: Mapping[str, str]) -> bytes:
        """See the contract; spaces that WordPress shows in an application password are dropped."""
        user, password = form.get("user", "").strip(), form.get("application_password", "").replace(" ", "")
        if not user or ":" in user or not user.isprintable():
            raise ValueError("user")
        if len(password) != _PASSWORD or not (password.isascii() and password.isalnum()):
            raise ValueError("application_password")
        return canonical.encode({"user": user, "application_password": password})

    async def probe(self, call: Call) -> list[ProbeStep]:
        """See the contract."""
        return await trial.probe(call, self._roots)


def _post_id(template: Template, handles: Mapping[str, str]) -> str:
    """Return the number of the post that the operation is about.

    Raises:
        PlatformRefused: there is none, or it is not a number, so no address is built from it.
    """
    if template.previous is None and "post" not in handles:
        raise refused("handles_missing")
    number = handles["post"] if template.previous is None else template.previous.id
    if not (number.isascii() and number.isdigit()):
        raise refused("rest_post_invalid_id")
    return number


async def _read(site: Site, number: str) -> dict[str, Any]:
    post = await site.get(f"/wp/v2/posts/{number}", context="edit")
    if not isinstance(post, dict):
        raise refused("not_wordpress")
    return post


async def _live(site: Site, template: Template) -> None:
    post = await _read(site, _post_id(template, {}))
    if post.get("status") != "publish":
        raise refused("not_live")


async def _still_a_draft(site: Site, number: str) -> None:
    try:
        post = await _read(site, number)
    except PlatformRefused as error:
        raise (refused("draft_gone") if error.code == "rest_post_invalid_id" else error) from None
    status = post.get("status")
    if status != "draft":
        raise refused("draft_gone" if status == "trash" else "draft_public")


async def _free_slug(site: Site, slug: str, own: str | None) -> None:
    """Refuse where another public post holds the address: WordPress would quietly publish under a different one."""
    found = await site.get("/wp/v2/posts", slug=slug, status="publish,future,private", context="edit")
    if any(str(item.get("id")) != own for item in found if isinstance(item, dict)):
        raise refused("slug_taken")


def _judge(template: Template, prepared: Prepared, post: Mapping[str, Any], number: str) -> Live | Gone | Absent | Undecided:
    public = post.get("status") == "publish"
    if template.operation is Operation.WITHDRAW:
        return Absent(how="still_public") if public else Gone(id=number)
    if template.operation is Operation.EDIT:
        if public and render.differs(drafts.filled(template, prepared.handles), post) is None:
            return Live(id=number, url=str(post.get("link", "")))
        if render.snapshot(post) == prepared.snapshot:
            return Absent(how="unchanged")
        return Undecided(reason="altered", again_after=None)
    if public:
        return Live(id=number, url=str(post.get("link", "")))
    if post.get("status") in {"future", "private"}:
        return Undecided(reason=f"status_{post['status']}", again_after=None)
    return Absent(how=f"status_{post.get('status')}")


def _published(reply: Reply) -> Outcome:
    value = json_object(reply)
    if reply.status in {200, 201} and value is not None and isinstance(value.get("id"), int):
        status = value.get("status")
        if status == "publish":
            return Live(id=str(value["id"]), url=str(value.get("link", "")))
        return Unknown(cause=f"status_{status}") if status == "future" else rejected("rest_cannot_publish")
    return _failed(reply)


def _trashed(reply: Reply) -> Outcome:
    value = json_object(reply)
    if reply.status == 200 and value is not None and value.get("status") == "trash" and isinstance(value.get("id"), int):
        return Gone(id=str(value["id"]))
    return _failed(reply)


def _failed(reply: Reply) -> Rejected | Unknown:
    """Return `Rejected` for a code that is decided before anything is written, and `Unknown` for everything else."""
    code = error_code(reply)
    if 400 <= reply.status < 500 and code in _DEFINITE:
        return rejected(code)
    return Unknown(cause=f"http_{reply.status}" + (f":{code}" if code else ""))
