"""核对清单: what a decider confirms item by item; what was ticked is a blob whose digest stands in the statement they sign.

Each 需确认 finding is an item that must be ticked before 同意 or 放行. The others are the regulation's questions that no machine answers: they may be
ticked, and an ordinary item needs none of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from gateway import canonical
from gateway.enforcer.blobs import BlobAltered, BlobMissing
from gateway.enforcer.counter import subject
from gateway.enforcer.counter.parts import COUNTER, WORDS, Counter, form_of, session_of
from gateway.machine.state import Submission
from gateway.protocol.denials import Denied

QUESTIONS: Final = (("fits", "R11"), ("objective", "R11"), ("accurate", "R15"), ("pictures", "R16.1"))
"""What a person answers for: position of the account and tone (article 11), accuracy (15), pictures (16)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of the list; `must` for a finding that has to be confirmed."""

    key: str
    zh: str
    en: str
    rule: str
    must: bool
    ticked: bool

    def value(self) -> dict[str, Any]:
        """Return the line as it stands in the blob of what was ticked."""
        return {"key": self.key, "zh": self.zh, "en": self.en, "rule": self.rule}


def items(counter: Counter, submission: Submission, person: str, form: Mapping[str, str] | None = None) -> list[Item]:
    """Return the list for one person: what they ticked before on this revision, and in the form at hand."""
    rows = counter.sessions.db.all("SELECT item FROM ticks WHERE person = ? AND submission = ? AND revision = ?",
                                   (person, submission.id, submission.revision))
    ticked = {row["item"] for row in rows} | {name.removeprefix("check_") for name, on in (form or {}).items() if on == "on"}
    found = [
        Item(key=key_of(f), zh=f["zh"], en=f["en"], rule=f["rule"], must=True, ticked=key_of(f) in ticked)
        for f in subject.findings(counter, submission) if f.get("grade") == "confirm"
    ]
    if submission.content is None:
        return found
    asked = [
        Item(key=key, zh=WORDS.t("zh", f"question.{key}"), en=WORDS.t("en", f"question.{key}"), rule=rule, must=False, ticked=key in ticked)
        for key, rule in QUESTIONS
    ]
    return [*found, *asked]


def key_of(finding: Mapping[str, Any]) -> str:
    """Return what names a finding of one revision: the first digits of its digest, without the mark that pages add."""
    return canonical.digest({name: value for name, value in finding.items() if name != "mark"})[7:23]


def blob(submission: Submission, ticked: list[Item]) -> bytes | None:
    """Return the bytes of what was ticked, naming the findings they were seen with; None for nothing."""
    if not ticked:
        return None
    return canonical.encode({"v": 1, "findings": submission.findings["blob"], "ticked": [item.value() for item in ticked]})


def ticked(counter: Counter, digest: str | None) -> list[dict[str, Any]]:
    """Return what a decision says was ticked; nothing where it says nothing or its blob cannot be read."""
    try:
        value = json.loads(counter.parts.runner.blobs.get(digest)) if digest else {"ticked": []}
    except (BlobMissing, BlobAltered, ValueError):
        return []
    return list(value["ticked"])


async def tick(request: web.Request) -> web.Response:
    """Remember a tick, so that looking at another view does not lose it; it counts for nothing until it is signed."""
    counter, person, form = request.app[COUNTER], session_of(request).person, await form_of(request)
    submission = subject.find(counter, form.get("submission", ""))
    subject.may_see(counter, submission, person)
    if form.get("revision") != str(submission.revision):
        raise Denied("stale_view", seq=submission.seq)
    key = form.get("item", "")
    if key not in {item.key for item in items(counter, submission, person)}:
        raise Denied("invalid", detail="item")
    where = (person, submission.id, submission.revision, key)
    if form.get("on") == "on":
        counter.sessions.db.run("INSERT OR REPLACE INTO ticks VALUES (?, ?, ?, ?, ?)", (*where, counter.parts.runner.now()))
    else:
        counter.sessions.db.run("DELETE FROM ticks WHERE person = ? AND submission = ? AND revision = ? AND item = ?", where)
    return web.Response(status=204)
