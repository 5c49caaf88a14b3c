"""From a draft to the enforcer: its content's bytes, what would happen (`look`), and handing it in.

Live findings are made here by the same pure checks; what the enforcer says of route, people and obstacles is added while it answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.canonical import Digest
from gateway.checks.registry import run_checks
from gateway.content import Content, Media, NotContent, NotNormal, Source, recognise
from gateway.desk.drafts.form import DraftForm, FactsForm
from gateway.desk.drafts.store import Drafts
from gateway.desk.drafts.tables import DraftRow
from gateway.desk.readmodel.channels import ChannelRow
from gateway.desk.socket_client import CommandSocket, Unavailable
from gateway.protocol import instants
from gateway.protocol.facts import Facts
from gateway.protocol.instants import Instant

NOTHING_SEEN: Final = 0
"""The log's first entry, which is never a submission's: who names no entry has seen none."""

_ORDER: Final = {"block": 0, "confirm": 1, "hint": 2}


@dataclass(slots=True, kw_only=True)
class Look:
    """What the author sees before the button. `answered` is false where the enforcer could not be asked; `asks` are own gaps."""

    findings: list[dict[str, Any]] = field(default_factory=list)
    obstacles: list[dict[str, Any]] = field(default_factory=list)
    route: list[dict[str, Any]] = field(default_factory=list)
    quotas: list[dict[str, Any]] = field(default_factory=list)
    blackouts: list[dict[str, Any]] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    window_to: str = ""
    calendar_known: bool = True
    answered: bool = False

    @property
    def blocking(self) -> int:
        """How many things must be mended before it can be handed in (「还差 N 处」)."""
        return len(self.gaps) + len(self._blocks()) + len(self.stands)

    @property
    def stands(self) -> list[dict[str, Any]]:
        """The obstacles to tell people of: not that findings block, where the findings say so, nor that no channel is left, where something took it away."""
        blocks = self._blocks()
        said = [item for item in self.obstacles if not blocks or item.get("code") != "blocking_findings"]
        causes = [item for item in said if (item.get("code"), item.get("detail")) != ("invalid", "targets")]
        return causes if blocks or causes else said

    def _blocks(self) -> list[dict[str, Any]]:
        return [finding for finding in self.findings if finding["grade"] == "block"]


class NotReady(Exception):
    """The draft cannot be handed in yet; `look` says why."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.blocking)
        self.look = look


def content_of(draft: DraftRow, pictures: Mapping[Digest, Media]) -> Content:
    """Return the draft's content as a claim; checks say what is wrong with it."""
    form = DraftForm.model_validate(draft.form)
    try:
        seen = recognise(draft.body)
        places, links = seen.pictures, seen.links
    except NotNormal:
        places, links = (), ()
    cover = pictures.get(Digest(form.cover)) if form.cover else None
    media = [] if cover is None else [_role(cover, "cover", "")]
    listed: set[str] = set()
    for place in places:
        if place.digest in pictures and place.digest not in listed:
            listed.add(place.digest)
            media.append(_role(pictures[place.digest], "body", place.alt))
    source = form.source
    original = source.kind == "original"
    return Content(
        title=form.title, summary=form.summary, author=form.author,
        source=Source(kind=source.kind, name="" if original else source.name, url="" if original else source.url),
        body=draft.body, media=tuple(media), links=tuple(links),
    )


def _role(item: Media, role: str, alt: str) -> Media:
    return Media(role=role, type=item.type, length=item.length, sha256=item.sha256, width=item.width, height=item.height, alt=alt)


def facts_of(form: FactsForm) -> Facts:
    """Return the declared facts; an unchosen category stands as `other`, the stricter route, until it was chosen."""
    return Facts(**{**form.model_dump(), "category": form.category or "other"})


def gaps_of(form: DraftForm) -> list[str]:
    """Return what the author has still to choose, as keys of words."""
    gaps = [] if form.targets else ["gap.channels"]
    if not form.withdrawing and not form.facts.category:
        gaps.append("gap.category")
    if not form.withdrawing and not form.title:
        gaps.append("gap.title")
    if form.targets and len({target.operation == "withdraw" for target in form.targets}) > 1:
        gaps.append("gap.mixed")
    return gaps


class HandingIn:
    """Asks before, and hands in."""

    def __init__(self, socket: CommandSocket, drafts: Drafts) -> None:
        self._socket, self._drafts = socket, drafts

    async def look(self, draft: DraftRow, channels: Mapping[str, ChannelRow], *, session: str, lang: str, now: Instant) -> Look:
        """Return what would happen if the draft were handed in now."""
        form = DraftForm.model_validate(draft.form)
        content = content_of(draft, await self._drafts.pictures(draft.id))
        look = Look(gaps=gaps_of(form))
        if not form.withdrawing:
            look.findings = await asyncio.to_thread(_findings, content, form, channels, now)
        if form.targets and "gap.mixed" not in look.gaps:
            try:
                await self._ask(look, draft, form, content, session, lang)
            except NotContent as error:
                look.obstacles.append(_not_content(error, look))
            except Unavailable:
                look.answered = False
        look.obstacles = [item for item in look.obstacles if item]
        look.findings.sort(key=lambda finding: _ORDER.get(finding["grade"], 3))
        return look

    async def _ask(self, look: Look, draft: DraftRow, form: DraftForm, content: Content, session: str, lang: str) -> None:
        digest = await self._deliver(draft, form, content, session)
        answer = await self._socket.post("/v1/preflight", self._body(draft, form, digest), session=session, lang=lang, deadline=8.0)
        look.answered = True
        look.route, look.quotas = answer["route"], answer["quotas"]
        look.blackouts = answer["blackouts"]
        look.obstacles, look.window_to = list(answer["obstacles"]), answer.get("window_to", "")
        look.calendar_known = answer.get("calendar_known", True)
        if answer["findings"]:
            look.findings = _merged([], answer["findings"])

    async def preview(self, draft: DraftRow, channel: str, *, session: str, lang: str) -> str:
        """Return the draft as the counter will show it on one of its channels, as a document; empty where that channel cannot take it.

        Raises:
            NotContent: the draft is no valid content yet.
            Problem, Unavailable: the enforcer said no, or did not answer.
        """
        form = DraftForm.model_validate(draft.form)
        content = content_of(draft, await self._drafts.pictures(draft.id))
        digest = await self._deliver(draft, form, content, session)
        body = self._body(draft, form, digest)
        body["targets"] = [target for target in body["targets"] if target["channel"] == channel]
        answer = await self._socket.post("/v1/preview", body, session=session, lang=lang, deadline=8.0)
        return str(answer["previews"][0]["html"]) if answer["previews"] else ""

    async def submit(
        self, draft: DraftRow, channels: Mapping[str, ChannelRow], *, session: str, command: str, lang: str, now: Instant, source: str,
        expected: int | None = None,
    ) -> dict[str, Any]:
        """Hand the draft in and return the enforcer's answer {seq, submission, number}.

        A later revision names in `expected` the submission's last entry that its author saw; without it the enforcer says what changed.

        Raises:
            NotReady: something of the author's own is missing.
            Problem: the enforcer said no.
            Unavailable: it did not answer; the same command may be repeated.
        """
        form = DraftForm.model_validate(draft.form)
        content = content_of(draft, await self._drafts.pictures(draft.id))
        look = Look(gaps=gaps_of(form))
        if not form.withdrawing:
            look.findings = await asyncio.to_thread(_findings, content, form, channels, now)
        if look.blocking:
            raise NotReady(look)
        digest = await self._deliver(draft, form, content, session)
        body = {
            **self._body(draft, form, digest), "command": command, "draft": draft.id, "source": source, "message": form.message or None,
            "expected": expected if expected is not None or draft.submission is None else NOTHING_SEEN,
        }
        answer: dict[str, Any] = await self._socket.post("/v1/submit", body, session=session, lang=lang)
        await self._drafts.submitted(draft.id, answer["submission"])
        return answer

    def _body(self, draft: DraftRow, form: DraftForm, digest: Digest | None) -> dict[str, Any]:
        return {
            "targets": [target.model_dump() for target in form.targets], "content": digest, "facts": facts_of(form.facts).value(),
            "scheduled": form.scheduled, "submission": draft.submission,
        }

    async def _deliver(self, draft: DraftRow, form: DraftForm, content: Content, session: str) -> Digest | None:
        """Give the enforcer the content's bytes and the pictures it does not have yet; None for a withdrawal."""
        if form.withdrawing:
            return None
        data = content.to_bytes()
        sent: set[str] = set()
        for digest in await self._drafts.unsent(draft.id, {item.sha256 for item in content.media}):
            await self._socket.put_blob(await asyncio.to_thread(self._drafts.blobs.get, digest), session=session)
            sent.add(digest)
        await self._drafts.mark_sent(draft.id, sent)
        return await self._socket.put_blob(data, session=session)


def _not_content(error: NotContent, look: Look) -> dict[str, Any]:
    """Return a problem only where no finding says the same already."""
    if any(finding["grade"] == "block" for finding in look.findings):
        return {}
    return {"code": "invalid", "title": error.reason, "detail": error.field, "rule": "R15", "article": "", "next": "", "ask": [], "missing": []}


def _findings(content: Content, form: DraftForm, channels: Mapping[str, ChannelRow], now: Instant) -> list[dict[str, Any]]:
    day = instants.to_datetime(Instant(form.scheduled) if form.scheduled else now).astimezone(instants.OFFICE_ZONE).date()
    found: list[dict[str, Any]] = []
    for target in form.targets:
        channel = channels.get(target.channel)
        if channel is not None:
            made = run_checks(content, facts=facts_of(form.facts), platform=channel.platform, settings=channel.settings, day=day)
            found += [{**finding.value(), "channel": target.channel} for finding in made]
    if not form.targets:
        made = run_checks(content, facts=facts_of(form.facts), platform="wordpress", settings={}, day=day)
        found += [{**finding.value(), "channel": ""} for finding in made]
    return _merged([], found)


def _merged(first: list[dict[str, Any]], more: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings once each, with the channels they stand for."""
    merged = {_key(finding): finding for finding in first}
    for finding in more:
        known = merged.get(_key(finding))
        channel = finding.get("channel") or ""
        if known is None:
            merged[_key(finding)] = {**finding, "channels": [channel] if channel else []}
        elif channel and channel not in known["channels"]:
            known["channels"].append(channel)
    return list(merged.values())


def _key(finding: dict[str, Any]) -> tuple[Any, ...]:
    place = finding["place"] or {}
    return finding["code"], finding["grade"], finding["zh"], place.get("field"), place.get("start")
