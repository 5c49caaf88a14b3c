"""What people do at the desk, in the words of requests, and what they sign at the counter, through the real runner."""

from __future__ import annotations

import io
import secrets
from typing import Any

from PIL import Image

from gateway import canonical
from gateway.canonical import Digest
from gateway.connectors.base import ChannelFacts, Operation, Previous
from gateway.machine.signing import build_statement
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Grade, Proof, Request
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import EMERGENCY_LABEL, LIST_LABEL, list_digest
from tests.gateway.desk.conftest import Answer, Browser, Place

FACTS = {
    "category": "company", "sensitive": False, "executives": False, "external_quote": False, "ai_generated": False, "reprinted_pictures": False,
}


def picture(size: tuple[int, int] = (900, 383), colour: str = "#8db79a") -> bytes:
    """Draw a picture."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def form(title: str, *channels: str, **over: Any) -> dict[str, Any]:
    """Return what the editor sends for a draft."""
    return {
        "title": title, "summary": "摘要", "author": "陆晓棠", "source": {"kind": "original", "name": "", "url": ""}, "cover": None,
        "targets": [{"channel": channel, "operation": "publish", "previous": None} for channel in channels], "facts": dict(FACTS),
        "scheduled": None, "message": "", **over,
    }


async def write(browser: Browser, title: str, *channels: str, html: str = "<p>入冬前，工程部更换了老旧支管。</p>", **over: Any) -> str:
    """Make a draft with a cover and save it; return its id."""
    made = await browser.post("/drafts")
    draft = made.location.rsplit("/", 1)[1]
    added = await browser.post(f"/drafts/{draft}/pictures", raw=picture(), **{"Content-Type": "image/png"})
    assert added.status == 200, added.text
    body = html + f'<p><img src="{added.json["src"]}" alt="现场"></p>'
    saved = await browser.post(f"/drafts/{draft}/save", value={
        **form(title, *channels, cover=added.json["digest"], **over), "version": 1, "html": body})
    assert saved.status == 200, saved.text
    return draft


async def hand_in(browser: Browser, draft: str, version: int = 2, command: str = "", expected: int | str = "") -> Answer:
    """Press the button, as the page does: with the version that was saved and the last entry that it was drawn with."""
    return await browser.post(f"/drafts/{draft}/submit", {
        "command": command or secrets.token_hex(16), "version": str(version), "expected": str(expected)}, **{"HX-Request": "true"})


async def seen(browser: Browser, draft: str) -> str:
    """Return the last entry of its submission that the editor's page was drawn with."""
    return (await browser.get(f"/drafts/{draft}")).text.split('data-expected="')[1].split('"')[0]


def submission_of(answer: Answer) -> str:
    """Return the submission that the button led to."""
    location = str(answer.headers.get("HX-Redirect") or answer.location)
    assert location.startswith("/submissions/"), answer.text
    return location.split("/")[2].split("?", maxsplit=1)[0]


async def submit(browser: Browser, title: str, *channels: str, **over: Any) -> str:
    """Write and hand in; return the submission."""
    return submission_of(await hand_in(browser, await write(browser, title, *channels, **over)))


async def sign(place: Place, person: str, submission: str, verdict: str, *channels: str) -> None:
    """Sign the open stage with a code, as the counter would; a release of `channels` alone where they are named."""
    house, who = place.house, place.people(person)
    found = house.state.submissions[submission]
    stage = next(s for s in house.state.open_stages(found) if s.kind == verdict)
    office = house.state.may_sign(who, stage, house.runner.now()) or ""
    number = next(house.count) + 10**9
    statement = canonical.encode(build_statement(house.state, found, stage, who, office, f"salt{number}", channels=channels))
    digest = canonical.sha256(statement)
    item = c.SignItem(
        submission=submission, revision=found.revision, stage=stage.id, verdict=verdict, salt=f"salt{number}", statement=digest,  # type: ignore[arg-type]
        seen=found.seq, channels=channels)
    proof = Proof(
        method="totp", factor=f"factor/{who}/totp", nonce=f"n{number}", list_digest=list_digest(LIST_LABEL, [(digest, verdict)]),
        evidence=canonical.sha256(b"%d" % number), step=number)
    command = c.Sign(items=(item,), proof=proof, rip=house.parts.values.commit("127.0.0.1"))
    await house.runner.submit(Request(command=command, actor=who, grade=Grade.PROOF), blobs={digest: statement})


async def publish(place: Place, browser: Browser, title: str, **over: Any) -> str:
    """Take a text of 陆晓棠 all the way to the public page; return the publication."""
    submission = await submit(browser, title, place.channel(), **over)
    await sign(place, "gu", submission, "approve")
    await sign(place, "lu", submission, "release")
    publication = next(p.id for p in place.house.state.publications.values() if p.submission == submission)
    await place.house.until(publication, "live")
    await place.caught_up()
    return publication


async def withdraw_at_once(place: Place, person: str, publication: str) -> str:
    """Take something down in an emergency, as the brand & PR head does at the counter; return the submission it made."""
    house, who = place.house, place.people(person)
    live = house.state.publications[publication]
    channel = house.state.channels[live.channel]
    facts = ChannelFacts(channel=channel.id, platform=channel.platform, account=channel.account, settings=channel.settings)
    previous = Previous(id=live.remote_id, url=live.url, digest=Digest(live.template))
    template = house.parts.connectors[channel.platform].render(None, facts, Operation.WITHDRAW, previous).to_bytes()
    digest, number = canonical.sha256(template), next(house.count) + 10**9
    proof = Proof(
        method="totp", factor=f"factor/{who}/totp", nonce=f"n{number}", list_digest=list_digest(EMERGENCY_LABEL, [(digest, publication)]),
        evidence=canonical.sha256(b"%d" % number), step=number)
    command = c.EmergencyWithdraw(
        publication=publication, template=digest, reason=house.parts.values.commit("数据有误"), window_to=instants.plus(house.runner.now(), 86_400),
        proof=proof)
    done = await house.runner.submit(Request(command=command, actor=who, grade=Grade.PROOF), blobs={digest: template})
    return next(entry.object for entry in done.entries if entry.type == EntryType.SUBMISSION_MADE)
