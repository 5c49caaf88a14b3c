"""Deciding through the pages beyond one button: checklist, quota, mixed lists, some channels, suggestions, the annotated view."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gateway.content.places import Change, replace
from gateway.enforcer import evidence
from gateway.enforcer.counter.marked import Mark, document, marked, number
from gateway.enforcer.counter.quota import quota
from gateway.log import verify
from gateway.machine.state import SubmissionState
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.protocol.instants import Instant
from gateway.protocol.notes import Note, Notes
from gateway.sandbox.wechat.app import WeChat
from tests.gateway.enforcer.counter.kit import Browser, Front, counter_over
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import House, article

BODY = "<p>入冬前，禾汀灌溉工程部更换了4.2公里老旧支管，颁奖仪式定于11月27日（星期四）。</p>"


def finding(grade: str = "confirm", quote: str = "（星期四）", start: int = 0, **over: Any) -> dict[str, Any]:
    """Return a finding as the enforcer stores it."""
    return {"code": "weekday", "grade": grade, "rule": "R15.1", "zh": "日期与星期不符", "en": "Date and weekday differ",
            "place": {"field": "body", "quote": quote, "start": start, "end": start + len(quote)}, "fix": {"replace_with": "（星期五）"},
            "channel": None, **over}


async def with_findings(front: Front, *found: dict[str, Any], **over: Any) -> str:
    """Submit an article with these findings."""
    house = front.house
    blob = house.runner.blobs.put(json.dumps({"findings": found, "v": 1}, ensure_ascii=False, separators=(",", ":")).encode())
    confirm = sum(one["grade"] == "confirm" for one in found)
    counts = c.FindingCounts(block=0, confirm=confirm, hint=len(found) - confirm, blob=blob)
    return await house.submit(article(cover=house.cover(), body=BODY), "news", findings=counts, **over)


def decision(front: Front, submission: str) -> dict[str, Any]:
    """Return the data of the newest decision on a submission."""
    seq = front.house.state.submissions[submission].signatures[-1].entry
    entry = front.house.parts.entry(seq)
    assert entry is not None
    return entry.data


def blob(front: Front, digest: str) -> Any:
    """Return a stored JSON value."""
    return json.loads(front.house.runner.blobs.get(digest))


# ---- checklist


async def test_what_was_ticked_is_signed(front: Front) -> None:
    """Ticks of the column and of the sheet stand in a blob whose digest is in the statement and in the decision's entry."""
    submission = await with_findings(front, finding())
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    assert "核对清单" in person.text
    await person.sheet(submission, check_objective="on")
    assert "清单已核对 1 项" in person.text
    assert (await person.prove("gu", tick0="on")).status == 303
    data = decision(front, submission)
    assert blob(front, data["statement"])["checked"] == data["checked"]
    kept = blob(front, data["checked"])
    assert [item["zh"] for item in kept["ticked"]] == ["日期与星期不符", "表述客观理性"]
    assert kept["findings"] == front.house.state.submissions[submission].findings["blob"]
    brand = front.signed_in("fang")
    await brand.get(f"/s/item/{submission}")
    assert "核对 2 项" in brand.text


async def test_a_tick_is_remembered_and_asked_for_no_second_time(front: Front) -> None:
    """A finding ticked on the page needs no tick on the sheet; the tick belongs to this person and this revision."""
    submission = await with_findings(front, finding())
    person = front.signed_in("gu")
    await person.get(f"/s/item/{submission}")
    key = re.findall(r'name="check_([0-9a-f]{16})"', person.text)[0]
    tick = {"submission": submission, "revision": "1", "item": key, "on": "on"}
    assert (await person.post("/s/tick", {**tick, "item": "nothing"})).status == 400
    assert (await person.post("/s/tick", {**tick, "revision": "2"})).status == 409
    assert (await person.post("/s/tick", tick)).status == 204
    assert (await person.post("/s/tick", {**tick, "item": "fits"})).status == 204
    assert (await person.post("/s/tick", {**tick, "item": "fits", "on": ""})).status == 204
    await person.sheet(submission)
    assert 'name="tick0"' not in person.text
    assert (await person.prove("gu")).status == 303
    assert [item["key"] for item in blob(front, decision(front, submission)["checked"])["ticked"]] == [key]
    assert (await front.signed_in("lu").post("/s/tick", {**tick, "item": "fits"})).status == 204, "its author may look, and decides nothing"


async def test_an_ordinary_item_needs_no_tick(front: Front) -> None:
    """Three taps stay three: nothing has to be ticked, and the decision says nothing of a checklist."""
    submission = await submitted(front)
    person = front.signed_in("gu")
    await person.sheet(submission)
    assert 'name="tick0"' not in person.text
    assert (await person.prove("gu")).status == 303
    assert "checked" not in decision(front, submission)


# ---- quota


@pytest.mark.parametrize(("sent", "settings", "operation", "scheduled", "said"), [
    ({}, {}, "publish", None, (0, 100, None, False)),
    ({"2026-11-23": 2}, {"daily_limit": "2"}, "publish", None, (2, 2, "2026-11-23T16:00:00.000Z", False)),
    ({"2026-11-23": 2}, {"daily_limit": "2"}, "edit", "2026-11-24T01:00:00.000Z", (0, 2, None, False)),
    ({"2026-11-26": 1}, {"daily_limit": "1"}, "publish", "2026-11-26T09:00:00.000Z", (1, 1, "2026-11-26T16:00:00.000Z", True)),
    ({}, {"daily_limit": "0"}, "publish", None, (0, 0, None, True)),
    ({"2026-11-23": 9}, {"daily_limit": "1"}, "withdraw", None, None),
])
def test_the_quota_is_that_of_the_day_it_would_go_out(
    front: Front, sent: dict[str, int], settings: dict[str, str], operation: str, scheduled: Instant | None, said: tuple[Any, ...] | None,
) -> None:
    """Used and limit of that day; where nothing is left, the next day's beginning, and whether the window reaches it; withdrawals take none."""
    known = front.house.state.channels[front.house.channels["news"]]
    known.sent, known.settings = sent, settings
    found = quota(known, operation, at=Instant("2026-11-23T03:00:00.000Z"), scheduled=scheduled, window_to=Instant("2026-11-26T10:00:00.000Z"))
    assert (found and (found.used, found.limit, found.earliest, found.late)) == said


async def test_a_used_up_quota_is_said_before_the_release(front: Front) -> None:
    """The page shows used and limit beside the operation, and the releaser when it could go out."""
    submission = await submitted(front)
    person, brand = front.signed_in("gu"), front.signed_in("fang")
    await person.get(f"/s/item/{submission}")
    assert "已用 0 / 100" in person.text
    await person.sign("gu", submission)
    state = front.house.state
    state.channels[front.house.channels["news"]].sent[instants.office_day(front.house.runner.now())] = 100
    await brand.get(f"/s/item/{submission}")
    assert "已用 100 / 100" in brand.text
    assert "当日额度已用完，放行后最早" in brand.text


# ---- mixed lists


async def listed(front: Front, person: Browser, approve: str, back: str) -> dict[str, str]:
    """Put one item on the list to be approved and one to be returned; return the fields of the list's sheet."""
    await person.post("/s/seen", {"submission": approve, "revision": "1"})
    assert (await person.post("/s/list/add", {"submission": approve})).status == 303
    answer = await person.post("/s/list/add", {"submission": back, "revision": "1", "verdict": "return", "reason": "wording", "text": "请改",
                                               "quote0": "4.2公里", "note0": "与台账不符", "fix0": "4.3公里"})
    assert answer.status == 303
    await person.get("/s/list")
    assert "退回 · 表述不当" in person.text
    return {"list": "1", **{f"seen_{s}": str(front.house.state.submissions[s].seq) for s in (approve, back)}}


async def test_one_proof_approves_one_and_returns_another(front: Front) -> None:
    """A list of an approval and a return with notes: one code, two verdicts, and the receipt says both."""
    one, two = await submitted(front), await submitted(front)
    person = front.signed_in("gu")
    fields = await listed(front, person, one, two)
    await person.post("/s/sheet", fields)
    answer = await person.prove("gu")
    assert answer.status == 303
    await person.get(answer.headers["Location"])
    assert "1 件退回" in person.text
    state = front.house.state
    assert [s.verdict for s in state.submissions[one].signatures] == ["approve"]
    returned = state.submissions[two].returned
    assert state.submissions[two].state is SubmissionState.RETURNED
    assert returned is not None
    assert returned["reason"] == "wording"
    notes = Notes.parse(front.house.runner.blobs.get(returned["notes"]))
    assert (notes.text, notes.notes[0].replace_with, notes.notes[0].field) == ("请改", "4.3公里", "body")
    assert blob(front, returned["statement"])["verdict"] == "return"
    assert blob(front, returned["statement"])["notes"] == returned["notes"]
    for submission in (one, two):
        with evidence.export(front.house.parts, submission) as pack:
            assert verify.verify_pack(pack).faults == []
    await person.get("/s/list")
    assert "退回 ·" not in person.text


async def test_what_was_put_on_the_list_to_return_is_returned_as_it_was_then(front: Front) -> None:
    """A newer revision drops out by name; a wrong reason, a stale revision and a sensitive item are refused at once."""
    one, two = await submitted(front), await submitted(front)
    person = front.signed_in("gu")
    for fields, status in (({"reason": "boring"}, 400), ({"revision": "2"}, 409)):
        given = {"submission": two, "revision": "1", "verdict": "return", "reason": "data", **fields}
        assert (await person.post("/s/list/add", given)).status == status
    house = front.house
    await house.change(c.Change(type=EntryType.APPOINTMENT_MADE, object="apt_leader0001", data={
        "person": house.people["he"], "office": "leader", "scope": house.state.group, "start": house.runner.now()}))
    sensitive = await submitted(front, facts={"category": "news", "sensitive": True, "executives": False, "external_quote": False,
                                              "ai_generated": False, "reprinted_pictures": False, "found": []})
    given = {"submission": sensitive, "revision": "1", "verdict": "return", "reason": "data"}
    assert (await person.post("/s/list/add", given)).status == 409
    fields = await listed(front, person, one, two)
    await house.do(c.Recall(submission=two), "lu")
    await house.submit(article(cover=house.cover()), "news", submission=two, findings=c.FindingCounts(
        block=0, confirm=0, hint=0, blob=house.runner.blobs.put(b'{"findings":[],"v":1}')))
    await person.post("/s/sheet", {**fields, f"seen_{two}": str(house.state.submissions[two].seq)})
    assert "之后有变动，不在这次签发内" in person.text
    assert (await person.prove("gu")).status == 303
    assert house.state.submissions[two].state is SubmissionState.IN_REVIEW


async def test_an_item_changes_its_verdict_on_the_list_and_leaves_it(front: Front) -> None:
    """Returned first, then added to be approved, it is approved; taken off the list, or sent back by itself, nothing of it is left."""
    one, two = await submitted(front), await submitted(front)
    person = front.signed_in("gu")
    await listed(front, person, one, two)
    await person.post("/s/seen", {"submission": two, "revision": "1"})
    assert (await person.post("/s/list/add", {"submission": two})).status == 303
    await person.get("/s/list")
    assert "退回 ·" not in person.text
    assert (await person.post("/s/list/remove", {"submission": two})).status == 303
    assert front.sessions.db.all("SELECT * FROM list_returns") == []
    assert len(front.sessions.db.all("SELECT * FROM lists")) == 1
    given = {"submission": two, "revision": "1", "reason": "data", "seen": str(front.house.state.submissions[two].seq)}
    assert (await person.post("/s/list/add", {**given, "verdict": "return"})).status == 303
    assert (await person.post("/s/return", given)).status == 200
    assert front.sessions.db.all("SELECT * FROM list_returns") == []
    assert [row["submission"] for row in front.sessions.db.all("SELECT * FROM lists")] == [one]


# ---- some channels


async def test_a_release_of_some_channels_leaves_the_others_in_the_queue(house: House, wechat: WeChat, tmp_path: Path) -> None:
    """The chosen channel gets its token; the other stays in the releaser's queue and is released by a second signature."""
    await house.lifecycle._stop_timers()
    account = wechat.account()
    await house.add_channel("second", "wechat", "gh_second", {"appid": account.appid, "secret": account.secret})
    async with counter_over(house, tmp_path) as front:
        await front.arm("gu", "fang")
        await _some_channels(front)


async def _some_channels(front: Front) -> None:
    house = front.house
    empty = house.runner.blobs.put(b'{"findings":[],"v":1}')
    submission = await house.submit(article(cover=house.cover()), "news", "second", findings=c.FindingCounts(block=0, confirm=0, hint=0, blob=empty))
    person, brand = front.signed_in("gu"), front.signed_in("fang")
    await person.sign("gu", submission)
    await brand.get(f"/s/item/{submission}")
    assert "只放行部分渠道" in brand.text
    for channels, status in (({}, 400), ({"channel": "ch_unknown0"}, 400)):
        assert (await brand.sheet(submission, some="1", **channels)).status == status
    await brand.sheet(submission, some="1", channel=house.channels["second"])
    assert "这次不放行" in brand.text
    answer = await brand.prove("fang")
    assert answer.status == 303, brand.text[:2000]
    found = house.state.submissions[submission]
    assert [t.channel for t in found.targets if t.publication] == [house.channels["second"]]
    await brand.get("/s/")
    assert found.id in brand.text
    assert (await brand.sign("fang", submission)).status == 303
    assert all(t.publication for t in found.targets)


# ---- notes and suggestions


async def test_a_suggestion_goes_back_at_its_place_and_can_be_taken_over(front: Front) -> None:
    """Quoted words are brought to field and offset; what comes back replaces exactly them in the author's text."""
    submission = await with_findings(front)
    person = front.signed_in("gu")
    seen = str(front.house.state.submissions[submission].seq)
    answer = await person.post("/s/return", {"submission": submission, "revision": "1", "seen": seen, "reason": "data", "quote0": "（星期四）",
                                             "fix0": "（星期五）", "quote1": "水管", "note1": "标题里的", "field1": "title", "note2": "缺图"})
    assert answer.status == 200, person.text
    returned = front.house.state.submissions[submission].returned
    assert returned is not None
    notes = Notes.parse(front.house.runner.blobs.get(returned["notes"])).notes
    assert [(n.field, n.replace_with) for n in notes] == [("body", "（星期五）"), ("title", None), ("", None)]
    first = notes[0]
    assert replace(BODY, [Change(start=first.start, quote=first.quote, replace_with=first.replace_with or "")]) == BODY.replace("星期四", "星期五")


@pytest.mark.parametrize("row", [
    {"quote0": "不在稿中", "fix0": "x"}, {"quote0": "", "fix0": "x"}, {"quote0": "。", "fix0": "\u200b"}, {"quote0": "1", "fix0": "2"},
    {"quote0": "更换了4.2公里", "fix0": "甲", "quote1": "4.2公里", "fix1": "乙"},
])
async def test_a_suggestion_that_could_not_be_taken_over_is_refused(front: Front, row: dict[str, str]) -> None:
    """Words that are not there, or not only there, or would spoil the text: nothing is sent back."""
    submission = await with_findings(front)
    person = front.signed_in("gu")
    seen = str(front.house.state.submissions[submission].seq)
    answer = await person.post("/s/return", {"submission": submission, "revision": "1", "seen": seen, "reason": "data", **row})
    assert answer.status == 400
    assert front.house.state.submissions[submission].state is SubmissionState.IN_REVIEW


# ---- the annotated view


def test_marks_stand_at_their_places_and_nothing_else_changes() -> None:
    """Words keep their order and tags; overlapping marks nest; places are numbered down the page."""
    html = "<p>更换了<strong>4.2</strong>公里 &amp; 阀门</p>"
    made = marked(html, [Mark(id="m1", kind="confirm", field="body", start=2, end=8), Mark(id="m2", kind="own", field="body", start=3, end=6)])
    assert re.sub(r"</?mark[^>]*>", "", made) == html
    assert made.count('id="m1"') == made.count('id="m2"') == 1
    assert '<mark class="confirm" data-m="m1"><mark class="own" id="m2" data-m="m2">4.2</mark></mark>' in made
    assert marked(html, []) == html


def test_findings_and_notes_are_numbered_in_reading_order() -> None:
    """Title before body; words that are gone have no mark; a note without a place neither."""
    content = article(title="标题里的水管", body=BODY)
    late, early = finding(quote="（星期四）"), finding(quote="水管", place={"field": "title", "quote": "水管", "start": 4, "end": 6})
    given = {"notes": [Note(field="body", quote="4.2公里", start=0, note="核").value(), Note(field="body", quote="已删去", note="核").value(),
                       Note(note="缺图").value()]}
    marks = number(content, [late, early, finding(place=None)], [given])
    assert [(m.field, m.kind) for m in marks] == [("title", "confirm"), ("body", "own"), ("body", "confirm")]
    assert (early["mark"], late["mark"]) == ("m1", "m3")
    assert [note["mark"] for note in given["notes"]] == ["m2", None, None]
    assert "标注视图" in document(content, marks, "标注视图，非发布样式")
    assert number(None, [finding()], []) == ()


async def test_the_annotated_view_is_another_document_and_says_so(front: Front) -> None:
    """It is framed like the exact rendition, runs no script, escapes words, and is for those who may see the item."""
    house = front.house
    evil = "<img src=x onerror=alert(1)>"
    found = finding(place={"field": "title", "quote": evil, "start": 0, "end": len(evil)}, zh=evil)
    text = json.dumps({"findings": [found, finding()], "v": 1}, ensure_ascii=False, separators=(",", ":")).encode()
    counts = c.FindingCounts(block=0, confirm=2, hint=0, blob=house.runner.blobs.put(text))
    submission = await house.submit(article(title=evil, cover=house.cover(), body=BODY), "news", findings=counts)
    person = front.signed_in("gu")
    answer = await person.get(f"/s/marked/{submission}")
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "sandbox allow-same-origin" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Frame-Options"] == "SAMEORIGIN"
    assert "标注视图，非发布样式" in person.text
    assert '<mark class="confirm" id="m2" data-m="m2">（星期四）</mark>' in person.text
    assert "<img src=x" not in person.text
    await person.get(f"/s/item/{submission}?view=marked")
    assert f"/s/marked/{submission}" in person.text
    assert "<img src=x" not in person.text
    office = next(a.id for a in house.state.appointments.values() if a.person == house.people["gu"])
    await house.change(c.Change(type=EntryType.APPOINTMENT_ENDED, object=office, data={"end": house.runner.now()}))
    assert (await person.get(f"/s/marked/{submission}")).status == 403
    assert (await person.get("/s/marked/sub_nothing")).status == 404


async def test_notes_of_another_shape_are_no_notes(front: Front) -> None:
    """A blob that the counter did not write shows the return's reason and nothing else."""
    house = front.house
    submission = await submitted(front)
    odd = house.runner.blobs.put(b'{"notes":[{"note":"x","quote":"y"}],"text":"z","v":1}')
    await house.do(c.Return(submission=submission, revision=1, reason="data", notes=odd), "gu")
    await house.submit(article(cover=house.cover()), "news", submission=submission, findings=c.FindingCounts(
        block=0, confirm=0, hint=0, blob=house.runner.blobs.put(b'{"findings":[],"v":1}')))
    person = front.signed_in("gu")
    assert (await person.get(f"/s/item/{submission}")).status == 200
    assert "数据待核" in person.text
    assert EntryType.SUBMISSION_RETURNED in {e.type for e in front.counter.history.of(submission)}


# ---- handing over


async def test_an_item_is_handed_over_and_everybody_still_may(front: Front) -> None:
    """The page offers the other holders, both queues show the mark, and the one who handed it over can still release it."""
    submission = await submitted(front)
    person, brand, head = front.signed_in("gu"), front.signed_in("fang"), front.signed_in("fang2")
    await person.get(f"/s/item/{submission}")
    assert "转交并通知" not in person.text, "nobody else may do this step"
    await person.sign("gu", submission)
    await brand.get(f"/s/item/{submission}")
    assert "许文澜" in brand.text
    fields = {"submission": submission, "revision": "1", "seen": str(front.house.state.submissions[submission].seq)}
    assert (await brand.post("/s/handover", {**fields, "to": front.house.people["gu"]})).status == 403
    assert (await brand.post("/s/handover", {**fields, "to": front.house.people["fang2"], "revision": "x"})).status == 400
    assert (await brand.post("/s/handover", {**fields, "to": front.house.people["fang2"]})).status == 303
    await head.get("/s/")
    assert "方小满 转交给您" in head.text
    await brand.get("/s/")
    assert "已转交 许文澜" in brand.text
    await head.get(f"/s/item/{submission}")
    assert "方小满 转交给您" in head.text
    assert (await brand.sign("fang", submission)).status == 303
    await head.get("/s/")
    assert "转交给您" not in head.text


async def test_a_stranger_sees_what_was_ticked(front: Front) -> None:
    """The evidence pack holds the blob of the ticks; the verifier misses it where it was taken out."""
    submission = await with_findings(front, finding())
    person = front.signed_in("gu")
    await person.sheet(submission)
    await person.prove("gu", tick0="on")
    name = decision(front, submission)["checked"].removeprefix("sha256:")
    less = io.BytesIO()
    with evidence.export(front.house.parts, submission) as pack:
        assert verify.verify_pack(pack).faults == []
        with zipfile.ZipFile(pack) as whole, zipfile.ZipFile(less, "w") as cut:
            assert any(name in one for one in whole.namelist())
            for one in whole.namelist():
                if name not in one:
                    cut.writestr(one, whole.read(one))
    assert any("checked" in fault.en for fault in verify.verify_pack(less).faults)
