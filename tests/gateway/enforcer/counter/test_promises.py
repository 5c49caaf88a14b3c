"""What the review page promises, held by the server whatever a form says: ticks, the revision that was read, the list's limits, who has a part."""

from __future__ import annotations

from gateway.enforcer.codes import code_digest
from gateway.enforcer.counter.checklist import key_of
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.entries import EntryType
from gateway.protocol.statements import LIST_LIMIT
from tests.gateway.enforcer.counter.kit import Browser, Front
from tests.gateway.enforcer.counter.test_deciding import BODY, finding, with_findings
from tests.gateway.enforcer.counter.test_pages import submitted
from tests.gateway.enforcer.house import article

LISTED = "INSERT INTO lists VALUES (?, ?, ?)"


async def again(front: Front, submission: str) -> None:
    """Hand in the next revision with the same finding."""
    house = front.house
    findings = c.FindingCounts(**house.state.submissions[submission].findings)
    await house.do(c.Recall(submission=submission), "lu")
    await house.submit(article(title="改过", cover=house.cover(), body=BODY), "news", submission=submission, findings=findings)


async def test_ticks_are_asked_of_each_person_for_each_revision_and_never_passed_by_a_list(front: Front) -> None:
    """What somebody else ticked, or oneself on the revision before, counts for nothing; a list, which has no ticks, takes no such item."""
    submission = await with_findings(front, finding())
    person, tick = front.signed_in("gu"), {"submission": submission, "revision": "1", "item": key_of(finding()), "on": "on"}
    assert (await front.signed_in("fang").post("/s/tick", tick)).status == 204
    await person.sheet(submission)
    assert 'name="tick0"' in person.text, "somebody else's tick"
    assert (await person.post("/s/tick", tick)).status == 204
    await person.sheet(submission)
    assert 'name="tick0"' not in person.text
    await again(front, submission)
    await person.sheet(submission)
    assert 'name="tick0"' in person.text, "the tick was of the revision before"
    assert (await person.prove("gu")).status == 403
    assert (await person.post("/s/seen", {"submission": submission, "revision": "2"})).status == 204
    assert (await person.post("/s/list/add", {"submission": submission})).status == 409
    who, now = front.house.people["gu"], front.house.runner.now()
    front.sessions.db.run(LISTED, (who, submission, now))
    seen = str(front.house.state.submissions[submission].seq)
    assert (await person.post("/s/sheet", {"list": "1", f"seen_{submission}": seen})).status == 400
    assert not front.house.state.submissions[submission].signatures


async def test_a_page_of_an_older_revision_leads_to_no_sheet(front: Front) -> None:
    """Read at the first revision, asked to sign when the second is in: refused, on a sheet of its own and on a list; and so is a mark of having read."""
    submission = await with_findings(front)
    person = front.signed_in("gu")
    seen = str(front.house.state.submissions[submission].seq)
    await again(front, submission)
    for given in (seen, "", "x"):
        assert (await person.post("/s/sheet", {"submission": submission, "seen": given})).status == 409
    assert (await person.post("/s/seen", {"submission": submission, "revision": "1"})).status == 409
    assert (await person.sheet(submission)).status == 200


async def test_a_list_takes_its_twenty_and_only_ones_own_turns(front: Front) -> None:
    """The twenty-first item, what somebody else is to decide, and a list with more than twenty are refused."""
    submission = await submitted(front)
    person, who, now = front.signed_in("gu"), front.house.people["gu"], front.house.runner.now()
    brand = front.signed_in("fang")
    assert (await brand.post("/s/seen", {"submission": submission, "revision": "1"})).status == 204
    assert (await brand.post("/s/list/add", {"submission": submission})).status == 403, "not their turn"
    assert (await person.post("/s/seen", {"submission": submission, "revision": "1"})).status == 204
    for number in range(LIST_LIMIT):
        front.sessions.db.run(LISTED, (who, f"sub_{number}", now))
    assert (await person.post("/s/list/add", {"submission": submission})).status == 400
    assert submission not in [row["submission"] for row in front.sessions.db.all("SELECT submission FROM lists")]
    front.sessions.db.run(LISTED, (who, submission, now))
    seen = str(front.house.state.submissions[submission].seq)
    assert (await person.post("/s/sheet", {"list": "1", f"seen_{submission}": seen})).status == 400


async def stranger(front: Front) -> Browser:
    """Sign somebody in who writes for another unit."""
    house = front.house
    now, house.people["ke"] = house.runner.now(), "per_ke000000"
    await house.change(c.Change(type=EntryType.UNIT_ADDED, object="unit_other", data={
        "name": "另一单位", "parent": house.state.group, "kind": "subsidiary"}))
    await house.change(
        c.Change(type=EntryType.PERSON_ADDED, object="per_ke000000", data={
            "name": house.parts.values.commit("柯远"), "unit": "unit_other", "details": {}}),
        c.Change(type=EntryType.APPOINTMENT_MADE, object="apt_ke000000", data={
            "person": "per_ke000000", "office": "author", "scope": "unit_other", "start": now}),
        c.Change(type=EntryType.ENROLMENT_OPENED, object="per_ke000000", data={"code": code_digest("CODEke"), "until": instants.plus(now, 3600)}))
    await house.enrol("ke", "CODEke")
    return front.signed_in("ke")


async def test_who_has_no_part_in_a_submission_reads_and_marks_nothing(front: Front) -> None:
    """An author of another unit, with the id: the page, the annotated view, ticks, marks, the list, a return, a sheet are all refused; nothing is kept."""
    submission = await with_findings(front, finding())
    person = await stranger(front)
    for path in (f"/s/item/{submission}", f"/s/marked/{submission}"):
        assert (await person.get(path)).status == 403
        assert "秋收之后" not in person.text
    seen = str(front.house.state.submissions[submission].seq)
    fields = {"submission": submission, "revision": "1", "seen": seen, "on": "on", "item": "fits", "reason": "data"}
    for path in ("/s/tick", "/s/seen", "/s/list/add", "/s/return", "/s/sheet"):
        assert (await person.post(path, fields)).status == 403, path
        assert "秋收之后" not in person.text
    for table in ("ticks", "seen", "lists"):
        assert front.sessions.db.all(f"SELECT * FROM {table}") == []
