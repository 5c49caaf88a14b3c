"""Submitting: what the desk hands in is recognised, rendered and checked here before the machine is asked.

Nothing the desk says about content is believed: the normal form is recognised again, pictures are hashed again, templates are rendered
here and findings are made here. What could be refused is said before the button (`preflight`): route, people, quotas, all obstacles.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from gateway import calendar, canonical, machine
from gateway.canonical import Digest
from gateway.connectors.base import ChannelFacts, Connector, Operation, PlatformRefused, Previous, Template
from gateway.content import Content, NotContent
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.runner import Done, Runner
from gateway.enforcer.values import Values
from gateway.enforcer.views import Views
from gateway.enforcer.words import explain
from gateway.enforcer.worker import Worker, WorkerFailed, check_content
from gateway.machine import blackouts, policy
from gateway.machine.publications import daily_limit
from gateway.machine.state import Channel
from gateway.machine.submissions import governing_brand, governors_of
from gateway.protocol import denials, instants
from gateway.protocol.commands import FindingCounts, Grade, Request, Submit, Target
from gateway.protocol.denials import Denied
from gateway.protocol.entries import CommandRef
from gateway.protocol.instants import Instant
from gateway.protocol.requests import PreflightRequest, SubmitRequest, TargetRequest

ORDINARY_FACTS: Final[dict[str, Any]] = {
    "category": "news", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False,
    "reprinted_pictures": False, "found": [],
}


_MAGIC: Final[dict[str, tuple[bytes, ...]]] = {
    "image/png": (b"\x89PNG\r\n\x1a\n",), "image/jpeg": (b"\xff\xd8\xff",), "image/gif": (b"GIF87a", b"GIF89a"),
}
"""How a picture of each type begins; decoding it is the desk's work, in a process without keys."""


@dataclass(slots=True, kw_only=True)
class Worked:
    """What became of a request: the machine's targets, templates to store, findings, and obstacles met on the way."""

    targets: list[Target]
    templates: list[bytes]
    findings: list[dict[str, Any]]
    obstacles: list[Denied]


class Submitting:
    """Turns the desk's requests into commands."""

    def __init__(self, *, runner: Runner, values: Values, views: Views, connectors: Mapping[str, Connector], worker: Worker) -> None:
        self._runner, self._values, self._views = runner, values, views
        self._connectors, self._worker = connectors, worker

    async def submit(self, person: str, request: SubmitRequest) -> Done:
        """Hand a revision in; the same command id again gets the same answer, whatever has changed meanwhile.

        Raises:
            Denied: the first obstacle; logged where it must be.
            LogUnavailable: blobs or log cannot be written; repeat the same command id.
        """
        if self._runner.sealed:
            raise Denied("vault_sealed")
        source = request.source
        # A repeat after a lost answer comes when the desk already knows the submission that this very command made: it counts for nothing here.
        body = {k: v for k, v in request.model_dump(mode="json").items() if k not in {"expected", "submission"}}
        ref = CommandRef(request.command, canonical.digest(body))
        done = await self._runner.repeated(ref, person, Grade.DESK)
        if done is not None:
            return done
        self._runner.reserve.ordinary()
        content = Digest(request.content) if request.content else None
        try:
            worked = await self._work(request)
            if worked.obstacles:
                raise worked.obstacles[0]
            command = self._command(request, worked, request.message)
        except Denied as denied:
            self._runner.counts[denied.code] += 1
            if denied.words.logged:
                channel = request.targets[0].channel
                await self._runner.refused(denied, actor=person, source=source, about=request.draft, channel=channel, content=content)
            raise
        blobs = {canonical.sha256(data): data for data in (*worked.templates, _findings_blob(worked.findings))}
        await asyncio.to_thread(self._runner.blobs.put_all, blobs)
        return await self._runner.submit(
            Request(command=command, actor=person, grade=Grade.DESK, ref=ref, expected=request.expected), source=source, about=request.draft,
        )

    def _command(self, request: SubmitRequest, worked: Worked, message: str | None) -> Submit:
        counts = {grade: sum(finding["grade"] == grade for finding in worked.findings) for grade in ("block", "confirm", "hint")}
        blob = canonical.sha256(_findings_blob(worked.findings))
        scheduled = instants.parse(request.scheduled) if request.scheduled else None
        return Submit(
            draft=request.draft, submission=request.submission, targets=tuple(worked.targets),
            content=Digest(request.content) if request.content else None, facts=_facts(request), findings=FindingCounts(blob=blob, **counts),
            window_to=calendar.window_end(scheduled or self._runner.now()), scheduled=scheduled, source=request.source,
            message=self._values.commit(message) if message else None,
        )

    async def preflight(self, person: str, request: PreflightRequest, lang: str) -> dict[str, Any]:
        """Return what would happen: route and people, findings, quotas, and every obstacle that can be known now."""
        now = self._runner.now()
        worked = await self._work(request)
        obstacles = list(worked.obstacles)
        stages: Sequence[Any] = ()
        state = self._runner.state
        known = state.people.get(person)
        channels = [target.channel for target in request.targets if target.channel in state.channels]
        if known is not None and channels:
            try:
                stages = policy.route(state, unit=known.unit, channels=channels, facts=_facts(request), rules=self._runner.rules).stages
            except Denied as denied:
                obstacles.append(denied)
        vacant = [stage for stage in stages if not self._usable(stage, person, now)]
        if vacant:
            ids = tuple(stage.id for stage in vacant)
            obstacles.append(Denied("stage_vacant", missing=ids, rule=vacant[0].rule, ask=governors_of(state, now)))
        obstacles += self._channel_obstacles(request, now)
        obstacles += self._rehearse(person, request, worked)
        unique = {(denied.code, denied.detail, denied.missing): denied for denied in obstacles}
        return {
            "ok": not unique and not any(finding["grade"] == "block" for finding in worked.findings),
            "route": [self._stage(stage, person, now, lang) for stage in stages],
            "findings": worked.findings,
            "obstacles": [explain(denied, self._views, lang).problem() for denied in unique.values()],
            "quotas": [self._quota(state.channels[channel], now) for channel in channels],
            "blackouts": self._blackouts(request, known.unit if known is not None else "", now, lang),
            "previews": [
                {"channel": target.channel, "operation": target.operation, "template": target.template} for target in worked.targets
            ],
            "window_to": calendar.window_end(instants.parse(request.scheduled) if request.scheduled else now),
            "calendar_known": calendar.known(instants.to_datetime(now).date()),
        }

    def _channel_obstacles(self, request: PreflightRequest, now: Instant) -> list[Denied]:
        """Return everything about the channels alone that would stop it, all of it, and not only the first."""
        found: list[Denied] = []
        state = self._runner.state
        day = instants.office_day(instants.parse(request.scheduled) if request.scheduled else now)
        for target in request.targets:
            channel = state.channels.get(target.channel)
            if channel is None:
                continue
            if channel.filing != "filed":
                found.append(Denied("channel_unfiled", detail=channel.id, ask=governing_brand(state, now)))
            if channel.credential is None:
                found.append(Denied("credential_missing", detail=channel.id, ask=channel.custodians))
            if target.operation != "withdraw" and channel.sent.get(day, 0) >= daily_limit(channel):
                found.append(Denied("quota_exhausted", detail=channel.id))
        return found

    def _rehearse(self, person: str, request: PreflightRequest, worked: Worked) -> list[Denied]:
        """Ask the machine, target by target and then as a whole, without keeping anything."""
        found: list[Denied] = []
        counts = FindingCounts(block=0, confirm=0, hint=0, blob=canonical.sha256(b""))
        scheduled = instants.parse(request.scheduled) if request.scheduled else None
        lists = [*([target] for target in worked.targets), worked.targets] if len(worked.targets) > 1 else [worked.targets]
        for targets in lists:
            command = Submit(
                draft="preflight", submission=request.submission, targets=tuple(targets),
                content=Digest(request.content) if request.content else None, facts=_facts(request), findings=counts,
                window_to=calendar.window_end(scheduled or self._runner.now()), scheduled=scheduled, source="desk",
            )
            try:
                machine.decide(
                    self._runner.state, Request(command=command, actor=person, grade=Grade.DESK), self._runner.now(), _DryIds(),
                    self._runner.rules,
                )
            except Denied as denied:
                found.append(denied)
        return found

    def _stage(self, stage: Any, person: str, now: Instant, lang: str) -> dict[str, Any]:
        return {
            "stage": stage.id, "kind": stage.kind, "rule": stage.rule, "words": self._views.stage_words(stage.id, lang),
            "people": [self._views.contact(p, lang) for p in self._usable(stage, person, now)],
        }

    def _usable(self, stage: Any, author: str, now: Instant) -> list[str]:
        """Return who could sign a stage of this author's now."""
        people = [p for office, scope in stage.offices for p in self._runner.state.holders(office, scope, now)]
        return [p for p in dict.fromkeys(people) if p != author or (stage.kind == "release" and not stage.apart)]

    def _quota(self, channel: Channel, now: Instant) -> dict[str, Any]:
        return {"channel": channel.id, "used": channel.sent.get(instants.office_day(now), 0), "limit": daily_limit(channel)}

    def _blackouts(self, request: PreflightRequest, unit: str, now: Instant, lang: str) -> list[dict[str, Any]]:
        """Return for each channel on which nothing may be sent at the time asked for: which kind of days, the earliest time after them, by which article, and who set them."""
        state, due = self._runner.state, instants.parse(request.scheduled) if request.scheduled else now
        found = []
        for target in request.targets:
            if target.channel in state.channels and (days := blackouts.covering(state, unit, target.channel, target.operation, due)):
                earliest = blackouts.over(state, unit, target.channel, target.operation, due)
                ask = [self._views.contact(person, lang) for person in dict.fromkeys(day.by for day in days)]
                found.append({
                    "channel": target.channel, "kind": days[0].kind, "earliest": earliest, "ask": ask,
                    "rule": "R8", "article": denials.article("R8", lang),
                })
        return found

    # ---- recognising, rendering, checking

    async def _work(self, request: PreflightRequest) -> Worked:
        worked, content = await self._templates(request)
        if content is not None:
            await self._check(content, request, worked)
        return worked

    async def preview(self, request: PreflightRequest) -> Worked:
        """Return targets and templates as a submission would have them, without checks; nothing is kept.

        Raises:
            Denied: the content is none, or its pictures are not here.
        """
        worked, _ = await self._templates(request)
        return worked

    async def _templates(self, request: PreflightRequest) -> tuple[Worked, Content | None]:
        worked = Worked(targets=[], templates=[], findings=[], obstacles=[])
        content = await asyncio.to_thread(self._content, request)
        for target in request.targets:
            template = self._render(target, content, worked)
            if template is not None:
                data = template.to_bytes()
                worked.templates.append(data)
                worked.targets.append(Target(
                    channel=target.channel, operation=target.operation, template=canonical.sha256(data), previous=target.previous,
                ))
        return worked, content

    def _content(self, request: PreflightRequest) -> Content | None:
        """Return the content, recognised again, its pictures present, of the length and the type they claim."""
        withdrawals = {target.operation == "withdraw" for target in request.targets}
        if len(withdrawals) != 1 or (request.content is None) != withdrawals.pop():
            raise Denied("invalid", detail="content")
        if request.content is None:
            return None
        try:
            content = Content.parse(self._runner.blobs.get(request.content))
            for item in content.media:
                data = self._runner.blobs.get(item.sha256)
                if len(data) != item.length or not data.startswith(_MAGIC[item.type]):
                    raise Denied("invalid", detail="picture")
        except NotContent as error:
            raise Denied("invalid", detail=str(error)) from error
        except (BlobMissing, BlobAltered) as error:
            raise Denied("invalid", detail=f"blob {error}") from error
        return content

    def _render(self, target: TargetRequest, content: Content | None, worked: Worked) -> Template | None:
        state = self._runner.state
        channel = state.channels.get(target.channel)
        connector = self._connectors.get(channel.platform) if channel else None
        if channel is None or connector is None:
            worked.obstacles.append(Denied("channel_unknown", detail=target.channel))
            return None
        previous = None
        if target.previous is not None:
            live = state.publications.get(target.previous)
            if live is None or live.channel != channel.id or not live.remote_id:
                worked.obstacles.append(Denied("previous_changed", detail=target.previous))
                return None
            previous = Previous(id=live.remote_id, url=live.url, digest=Digest(live.template))
        facts = ChannelFacts(channel=channel.id, platform=channel.platform, account=channel.account, settings=channel.settings)
        try:
            return connector.render(content, facts, Operation(target.operation), previous)
        except PlatformRefused as refused:
            worked.findings.append({
                "code": refused.code, "grade": "block", "rule": "R17.1", "zh": refused.zh, "en": refused.en, "place": None, "fix": None,
                "channel": channel.id,
            })
            worked.obstacles.append(Denied("blocking_findings", detail=refused.code))
            return None

    async def _check(self, content: Content, request: PreflightRequest, worked: Worked) -> None:
        state = self._runner.state
        channels = [
            (channel.id, channel.platform, dict(channel.settings))
            for channel in (state.channels.get(target.channel) for target in request.targets) if channel is not None
        ]
        day = instants.office_day(instants.parse(request.scheduled) if request.scheduled else self._runner.now())
        try:
            found = await self._worker.run(check_content, content.to_bytes(), request.facts.value(), channels, day)
        except WorkerFailed:
            worked.obstacles.append(Denied("blocking_findings", detail="checks did not finish"))
            return
        worked.findings += found


class _DryIds:
    """Ids for a rehearsal; nothing is signed and nothing is kept."""

    def __init__(self) -> None:
        self._count = itertools.count()

    def new(self, prefix: str) -> str:
        """Return an id that names nothing."""
        return f"{prefix}_rehearsal{next(self._count)}"

    def token(self, claims: bytes) -> Digest:
        """Return the claims' digest in place of a token's."""
        return canonical.sha256(claims)


def _facts(request: PreflightRequest) -> dict[str, Any]:
    """Return the facts that decide the route; a withdrawal says nothing new to the public and takes the ordinary one."""
    if request.content is None:
        return dict(ORDINARY_FACTS)
    return {**request.facts.value(), "found": []}


def _findings_blob(findings: list[dict[str, Any]]) -> bytes:
    return canonical.encode({"v": 1, "findings": findings})
