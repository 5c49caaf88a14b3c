"""The gate's questions, outcomes, stops, edits, withdrawals, emergencies and freezes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.machine.state import Office
from gateway.protocol import claims as claims_module
from gateway.protocol import commands as c
from gateway.protocol import instants
from gateway.protocol.commands import Change, Grade
from gateway.protocol.entries import EntryType
from tests.gateway.machine.company import START, WINDOW, Company, denied, text_digest


@pytest.fixture
def company() -> Company:
    return Company.staffed()


def advance(company: Company, publication: str, state: str) -> None:
    """Bring a held publication to a state of the gate."""
    if state == "held":
        return
    if state in {"stopped", "abandoned", "missed"}:
        {"stopped": lambda: company.do(c.Stop(publication=publication), "gu"),
         "abandoned": lambda: company.system(c.Abandon(publication=publication, cause="window")),
         "missed": lambda: (company.wait(3_600), company.system(c.Miss(publication=publication)))}[state]()
        return
    company.spend(publication)
    if state == "intended":
        return
    company.prepare(publication)
    if state == "prepared":
        return
    company.dispatch(publication)
    if state == "dispatched":
        return
    if state == "absent":
        company.outcome(publication, "unknown")
    company.outcome(publication, state)


def test_the_token_says_what_the_state_says(company: Company) -> None:
    """The claims of a release parse strictly and name bytes, people, entries and window."""
    publication = company.released("ch_web")[0]
    p = company.state.publications[publication]
    token = claims_module.parse(company.ids.claims[-1])
    assert (token.publication, token.jti, token.epoch, token.channel) == (publication, p.jti, "epo_1", "ch_web")
    assert (token.content, token.template, token.credential, token.exp) == (p.content, p.template, 1, WINDOW)
    assert [(a["person"], company.entries[a["entry"]].type) for a in token.approvals] == [("gu", "decision.made")]
    assert (token.release["person"], company.entries[token.release["entry"]].data["verdict"]) == ("fang", "release")


def test_spending_at_once_gives_the_licence_too(company: Company) -> None:
    """Both entries of one decision: the token is spent, the quota taken, the licence ends after 30 s; there is no second one."""
    publication = company.released("ch_web")[0]
    company.at = company.state.publications[publication].not_before
    intended, dispatched = company.system(company.spend_command(publication, at_once=True))
    found = company.state.publications[publication]
    assert (intended.type, dispatched.type, intended.at) == ("publication.intended", "publication.dispatched", dispatched.at)
    assert dispatched.data == {"not_after": instants.plus(company.at, 30), "day": instants.office_day(company.at)}
    assert (found.state.value, found.jti in company.state.spent, found.dispatch_seq) == ("dispatched", True, dispatched.seq)
    assert sum(company.state.channels["ch_web"].sent.values()) == 1
    with denied("token_spent"):
        company.system(company.spend_command(publication, at_once=True))
    with denied("wrong_state"):
        company.dispatch(publication)


SCOPE: list[dict[str, Any]] = [
    {"jti": "tok_x"}, {"epoch": "epo_0"}, {"operation": "withdraw"}, {"channel": "ch_wechat"}, {"credential_version": 2},
    {"content": text_digest("other")}, {"content": None}, {"template": text_digest("other")}, {"previous": "pub_1"},
]


@pytest.mark.parametrize("over", SCOPE)
def test_a_spend_names_exactly_what_was_approved(company: Company, over: dict[str, Any]) -> None:
    """B: any part of the scope that differs is refused, and the right token still works."""
    publication = company.released("ch_web")[0]
    with denied("scope_mismatch"):
        company.system(company.spend_command(publication, **over))
    company.spend(publication)


def test_a_token_is_spent_once(company: Company) -> None:
    """A14, A19: again at once, after rejection, after an unknown, after it is live: used."""
    for outcome in ("live", "rejected", "unknown"):
        publication = company.released("ch_web")[0]
        token = company.spend_command(publication)
        company.system(token)
        with denied("token_spent"):
            company.system(token)
        company.prepare(publication)
        company.dispatch(publication)
        company.outcome(publication, outcome)
        with denied("token_spent"):
            company.system(token)
    with denied("not_found"):
        company.system(replace(token, publication="pub_x"))


CHANGES: list[tuple[str, Change]] = [
    ("channel_unfiled", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"filing": "suspended"})),
    ("credential_missing", Change(type=EntryType.CREDENTIAL_RETIRED, object="ch_web", data={"version": 1})),
    ("credential_changed", Change(type=EntryType.CREDENTIAL_STORED, object="ch_web", data={"version": 2, "secret": "s", "sha256": text_digest("r")})),
    ("quota_exhausted", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"settings": {"daily_limit": "0"}})),
    ("person_suspended", Change(type=EntryType.PERSON_SUSPENDED, object="gu", data={})),
]


@pytest.mark.parametrize("at", ["spend", "dispatch"])
@pytest.mark.parametrize(("code", "change"), CHANGES, ids=[code for code, _ in CHANGES])
def test_what_changed_since_is_asked_twice(company: Company, at: str, code: str, change: Change) -> None:
    """Filing, credential, quota, people: each refuses at step 4 and again at step 6."""
    publication = company.released("ch_web")[0]
    if at == "dispatch":
        company.spend(publication)
        company.prepare(publication)
    company.change("xu", "he", change)
    with denied(code):
        if at == "spend":
            company.system(company.spend_command(publication))
        else:
            company.dispatch(publication)


def test_a_dispatch_names_the_leased_credential(company: Company) -> None:
    """C3: another version than the token's is refused, also when it is the newest."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    with denied("credential_changed"):
        company.system(c.Dispatch(publication=publication, credential_version=2))


def test_windows_end_at_the_gate(company: Company) -> None:
    """At the window's last millisecond it goes, at its end it does not; an intent then is abandoned."""
    early, late = company.released("ch_web")[0], company.released("ch_web")[0]
    company.at = instants.plus(WINDOW, -0.001)
    company.spend(early)
    company.at = WINDOW
    with denied("window_over"):
        company.dispatch(early)
    with denied("window_over"):
        company.system(company.spend_command(late))
    company.system(c.Abandon(publication=early, cause="window"))
    assert company.status(early) == "abandoned"


def test_a_fixed_time_that_was_missed_waits_for_a_person(company: Company) -> None:
    """15 minutes late still goes; later neither spends nor dispatches, and the release office decides anew."""
    due = instants.plus(START, 7_200)
    first, second = company.released("ch_web", scheduled=due)[0], company.released("ch_web", scheduled=due)[0]
    with denied("hold_running"):
        company.system(company.spend_command(first))
    company.at = instants.plus(due, 900)
    with denied("wrong_state"):
        company.system(c.Miss(publication=first))
    company.spend(first)
    company.wait(0.001)
    with denied("schedule_missed"):
        company.dispatch(first)
    with denied("schedule_missed"):
        company.system(company.spend_command(second))
    company.system(c.Miss(publication=second))
    with denied("wrong_state"):
        company.system(c.Miss(publication=first))
    submission = company.state.publications[second].submission
    company.send(company.release("fang", submission)[0])
    plain = company.released("ch_web")[0]
    company.wait(3_600)
    with denied("wrong_state"):
        company.system(c.Miss(publication=plain))
    company.send(plain)


def test_quota_counts_dispatches_of_the_day(company: Company) -> None:
    """Two a day: the third is refused at dispatch too; the next day in 临溪 counts from zero; a withdrawal takes none."""
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"settings": {"daily_limit": "2"}}))
    publications = [company.released("ch_web")[0] for _ in range(4)]
    for publication in publications[:3]:
        company.spend(publication)
    company.dispatch(publications[0])
    company.dispatch(publications[1])
    with denied("quota_exhausted"):
        company.dispatch(publications[2])
    with denied("quota_exhausted"):
        company.spend(publications[3])
    company.outcome(publications[0], "live")
    company.send(company.emergency("xu", publications[0]), "gone")
    assert company.state.channels["ch_web"].sent == {"2026-11-23": 2}
    company.at = instants.plus(START, 15 * 3_600)  # midnight in 临溪
    company.dispatch(publications[2])
    assert company.state.channels["ch_web"].sent == {"2026-11-24": 1}


def test_limits_of_channels(company: Company) -> None:
    """A setting counts where it is a number; where it is none, nothing is sent; an unknown platform has no default."""
    from gateway.machine.publications import daily_limit

    channel = company.state.channels["ch_web"]
    limits = []
    for settings, platform in (({}, "wordpress"), ({"daily_limit": "7"}, "wordpress"), ({"daily_limit": "-1"}, "wordpress"),
                               ({"daily_limit": "９"}, "wordpress"), ({"daily_limit": ""}, "wordpress"), ({}, "bench")):
        channel.settings, channel.platform = settings, platform
        limits.append(daily_limit(channel))
    assert limits == [500, 7, 0, 0, 0, 0]


GATE = ("held", "intended", "prepared", "dispatched", "pending", "unknown", "live", "rejected", "absent", "stopped", "abandoned", "missed")
OPEN_STATES = ("dispatched", "pending", "unknown")


def expected(state: str, ask: str) -> str:
    """Return the denial of one gate command in one state, or `ok`."""
    stopped = "stopped" if state == "stopped" else "wrong_state"
    spent = state not in {"held", "stopped", "abandoned", "missed"}
    return {
        "spend": "ok" if state == "held" else "token_spent" if spent else stopped,
        "handle": "ok" if state in {"intended", "prepared"} else stopped,
        "prepared": "ok" if state in {"intended", "prepared"} else stopped,
        "dispatch": "ok" if state in {"intended", "prepared"} else stopped,
        "live": "ok" if state in OPEN_STATES else "wrong_state",
        "pending": "ok" if state in OPEN_STATES else "wrong_state",
        "rejected": "ok" if state in OPEN_STATES else "wrong_state",
        "unknown": "ok" if state in OPEN_STATES else "wrong_state",
        "absent": "ok" if state == "unknown" else "wrong_state",
        "gone": "invalid" if state in OPEN_STATES else "wrong_state",
        "abandon": "ok" if state in {"held", "intended", "prepared"} else "wrong_state",
        "miss": "ok" if state == "held" else "wrong_state",
        "drift": "ok" if state == "live" else "wrong_state",
        "stop": "ok" if state in {"held", "intended", "prepared"} else "already_sending" if state in OPEN_STATES else "wrong_state",
    }[ask]


ASKS = ("spend", "handle", "prepared", "dispatch", "live", "pending", "rejected", "unknown", "absent", "gone", "abandon", "miss", "drift", "stop")


@pytest.mark.parametrize("state", GATE)
@pytest.mark.parametrize("ask", ASKS)
def test_every_state_and_gate_command(state: str, ask: str) -> None:
    """The whole table: each gate command in each state is allowed or refused with exactly this code."""
    company = Company.staffed()
    publication = company.released("ch_web", scheduled=instants.plus(company.at, 60))[0]
    advance(company, publication, state)
    if ask == "miss" and state == "held":
        company.wait(3_600)
    elif ask == "spend" and state == "held":
        company.wait(60)
    data = {"live": {"id": "1", "url": "u"}, "pending": {"handle": "h"}, "unknown": {"cause": "c"}, "gone": {"id": "1"}}.get(ask, {})
    command: Any = {
        "spend": lambda: company.spend_command(publication),
        "handle": lambda: c.RecordHandle(publication=publication, name="draft", value="1"),
        "prepared": lambda: c.RecordPrepared(publication=publication, filled=text_digest("f"), snapshot=text_digest("s")),
        "dispatch": lambda: c.Dispatch(publication=publication, credential_version=1),
        "abandon": lambda: c.Abandon(publication=publication, cause="window"),
        "miss": lambda: c.Miss(publication=publication),
        "drift": lambda: c.RecordDrift(publication=publication, observed=None),
        "stop": lambda: c.Stop(publication=publication),
    }.get(ask, lambda: c.RecordOutcome(publication=publication, outcome=ask, data=data))()  # type: ignore[arg-type]
    actor, grade = ("gu", Grade.COUNTER) if ask == "stop" else ("system", Grade.SYSTEM)
    if (code := expected(state, ask)) == "ok":
        company.do(command, actor, grade)
    else:
        with denied(code):
            company.do(command, actor, grade)


def test_outcomes_bring_what_the_state_is_built_from(company: Company) -> None:
    """An outcome without its id, handle or cause would break the replay and is refused; so is one of no known kind."""
    publication = company.released("ch_web")[0]
    advance(company, publication, "dispatched")
    for outcome, data in (("live", {"id": "1"}), ("live", {"id": 1, "url": "u"}), ("pending", {}), ("unknown", {"cause": None}), ("sent", {})):
        with denied("invalid"):
            company.system(c.RecordOutcome(publication=publication, outcome=outcome, data=data))  # type: ignore[arg-type]
    company.outcome(publication, "pending")
    company.outcome(publication, "live", matches=False)
    assert company.state.publications[publication].drift == "differs"
    company.system(c.RecordDrift(publication=publication, observed=text_digest("！")))
    assert company.state.publications[publication].drift == text_digest("！")
    company.system(c.RecordDrift(publication=publication, observed=None))
    assert company.state.publications[publication].drift == "gone"


def test_who_may_stop(company: Company) -> None:
    """Author, signers, brand & PR, leader and founders stop; others are told who can."""
    for person in ("lu", "gu", "fang", "xu", "shen", "he"):
        publication = company.released("ch_web")[0]
        company.do(c.Stop(publication=publication), person, expected=0)  # a stop asks nothing about what was seen
        assert company.status(publication) == "stopped"
    publication = company.released("ch_web")[0]
    for person in ("meng", "lin", "shao"):
        with denied("no_office") as caught:
            company.do(c.Stop(publication=publication), person)
        assert caught.value.ask == ("fang", "gu", "lu")


def test_a_stop_wins_before_dispatch_and_a_release_follows_it(company: Company) -> None:
    """Stopped between prepare and dispatch, nothing is sent; a second release of the same target makes the only live token."""
    publication = company.released("ch_web")[0]
    advance(company, publication, "prepared")
    company.do(c.Stop(publication=publication), "gu")
    with denied("stopped"):
        company.dispatch(publication)
    submission = company.state.publications[publication].submission
    again = company.release("fang", submission)
    assert len(again) == 1
    with denied("wrong_state"):
        company.release("fang", submission)
    with denied("token_spent"):
        company.system(company.spend_command(publication))
    company.send(again[0])


@pytest.mark.parametrize("state", ["held", "intended", "prepared", "dispatched", "pending", "unknown"])
def test_a_target_on_its_way_has_one_token(company: Company, state: str) -> None:
    """Nobody gets a second token, a next revision or an end while one is open."""
    publication = company.released("ch_web")[0]
    advance(company, publication, state)
    submission = company.state.publications[publication].submission
    with denied("wrong_state"):
        company.release("fang", submission)
    for command, actor in ((c.Recall(submission=submission), "lu"), (c.Cancel(submission=submission), "lu"),
                           (c.Return(submission=submission, revision=1, reason="data", notes=None), "fang")):
        with denied("wrong_state"):
            company.do(command, actor)
    with denied("wrong_state"):
        company.submit("lu", "ch_web", submission=submission)
    company.at = max(company.at, WINDOW)
    with denied("wrong_state"):
        company.system(c.Expire(submission=submission))


def test_edits_and_withdrawals_name_what_is_live(company: Company) -> None:
    """B17, B18: after an edit the old one is replaced; what names it is refused at submit, at release and at the gate."""
    live = company.live("ch_web")
    held, waiting = company.takedown("lu", live), company.takedown("lu", live)
    edit = company.takedown("lu", live, "edit")
    for submission in (held, waiting, edit):
        company.approve("gu", submission)
    replaced = company.release("fang", edit)[0]
    company.send(replaced)
    assert (company.status(live), company.status(replaced)) == ("replaced", "live")
    with denied("previous_changed"):
        company.release("fang", held)
    with denied("previous_changed"):
        company.takedown("lu", live)
    down = company.takedown("lu", replaced)
    company.approve("gu", down)
    gone = company.release("fang", down)[0]
    token = claims_module.parse(company.ids.claims[-1])
    assert token.previous == {"id": "101", "digest": company.state.publications[replaced].template}
    company.send(gone, "gone")
    assert (company.status(replaced), company.status(gone)) == ("withdrawn", "gone")


def test_one_thing_is_not_withdrawn_twice_at_once(company: Company) -> None:
    """Neither by two releases, nor within one list, nor while the first is unknown; once it is settled absent, again."""
    live = company.live("ch_web")
    first, second = (company.takedown("lu", live, "edit") for _ in range(2))
    for submission in (first, second):
        company.approve("gu", submission)
    made = company.sign("fang", company.item("fang", first, "release"), company.item("fang", second, "release"))
    assert made[0].data["dropped"] == [[second, "previous_changed"]]
    publication = made[-1].object
    with denied("previous_changed"):
        company.release("fang", second)
    company.send(publication, "unknown")
    with denied("previous_changed"):
        company.release("fang", second)
    company.outcome(publication, "absent")
    company.send(company.release("fang", second)[0])
    assert company.status(live) == "replaced"


def test_emergency_withdrawal(company: Company) -> None:
    """One brand & PR head, one act: it passes freezes, a filing under change, quota and hold; nobody else may."""
    live = company.live("ch_web")
    for person in ("fang", "gu", "shen", "he"):
        with denied("not_brand_head") as caught:
            company.emergency(person, live)
        assert caught.value.ask == ("xu",)
    with denied("window_over"):
        company.emergency("xu", live, window_to=company.at)
    with denied("not_found"):
        company.proven(replace(_emergency(company, live), publication="pub_x"), "xu")
    with denied("proof_mismatch"):
        company.proven(replace(_emergency(company, live), template=text_digest("other")), "xu")
    company.freeze("xu")
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={"filing": "suspended"}))
    down = company.emergency("xu", live)
    assert claims_module.parse(company.ids.claims[-1]).approvals == ()
    with denied("wrong_state"):
        company.emergency("xu", live)
    company.send(down, "gone")
    assert company.status(live) == "withdrawn"
    with denied("previous_changed"):
        company.emergency("xu", live)


def _emergency(company: Company, live: str) -> c.EmergencyWithdraw:
    from gateway.protocol.statements import EMERGENCY_LABEL, list_digest

    template = text_digest("emergency " + live)
    return c.EmergencyWithdraw(publication=live, template=template, reason=text_digest("r"), window_to=WINDOW,
                               proof=company.proof("xu", list_digest(EMERGENCY_LABEL, [(template, live)])))


def test_an_emergency_waits_for_no_edit_and_no_held_withdrawal(company: Company) -> None:
    """A scheduled edit, or an ordinary withdrawal that a freeze holds, does not stand in the way; one that is being sent does."""
    live = company.live("ch_web")
    edit = company.takedown("lu", live, "edit")
    company.approve("gu", edit)
    edited = company.release("fang", edit)[0]
    company.send(edited, "unknown")
    company.send(company.emergency("xu", live), "gone")
    assert company.status(live) == "withdrawn"
    other = company.live("ch_wechat")
    down = company.takedown("lu", other)
    company.approve("gu", down)
    held = company.release("fang", down)[0]
    emergency = company.emergency("xu", other)
    company.spend(emergency)
    company.spend(held)
    company.dispatch(held)
    with denied("previous_changed"):
        company.dispatch(emergency)
    company.outcome(held, "gone")
    with denied("previous_changed"):
        company.dispatch(emergency)
    third = company.live("ch_wechat")
    down = company.takedown("lu", third)
    company.approve("gu", down)
    company.send(company.release("fang", down)[0], "unknown")
    with denied("wrong_state"):
        company.emergency("xu", third)


def test_an_emergency_that_came_to_nothing_is_given_up(company: Company) -> None:
    """Stopped or refused by the platform, its submission is closed and a new one can be made; its author's office is all it had."""
    live = company.live("ch_web")
    first = company.emergency("xu", live)
    submission = company.state.publications[first].submission
    with denied("wrong_state"):
        company.do(c.Cancel(submission=submission), "xu")
    company.do(c.Stop(publication=first), "fang")
    assert company.state.finished[submission][2] == "cancelled"
    second = company.emergency("xu", live)
    company.send(second, "rejected")
    third = company.emergency("xu", live)
    company.appoint("fang", Office.SYSADMIN, "unit_group")
    company.suspend("xu", "fang", "he")
    with denied("person_suspended"):
        company.system(company.spend_command(third))


def test_an_emergency_needs_a_credential_and_a_passkey(company: Company) -> None:
    """A retired credential withdraws nothing; in live a phished code does not either, unless two people allowed that."""
    live = company.live("ch_web")
    company.change("xu", "he", Change(type=EntryType.CREDENTIAL_RETIRED, object="ch_web", data={"version": 1}))
    with denied("credential_missing"):
        company.emergency("xu", live)
    real = Company.staffed("live")
    live = real.live("ch_web")
    with denied("method_too_weak"):
        real.emergency("xu", live, "totp")
    real.switch("totp_release")
    with denied("route_by_codes_alone"):
        real.emergency("xu", live, "totp")
    real.switch("totp_route")
    real.emergency("xu", live, "totp")


@pytest.mark.parametrize(("scope", "target"), [
    ("all", ""), ("channel", "ch_web"), ("unit", "unit_irrigation"), ("unit", "unit_group"), ("submission", "")])
def test_freezes_hold_back_sends(company: Company, scope: str, target: str) -> None:
    """Each scope stops spend and dispatch; two others thaw; the freezer helps neither way."""
    early, late = company.released("ch_web")[0], company.released("ch_web")[0]
    company.spend(early)
    submission = company.state.publications[early].submission
    frozen = company.freeze("fang", scope, submission if scope == "submission" else target)
    with denied("frozen") as caught:
        company.dispatch(early)
    assert caught.value.ask == ("fang",)
    if scope != "submission":
        with denied("frozen"):
            company.system(company.spend_command(late))
    thaw = Change(type=EntryType.FREEZE_LIFTED, object=frozen, data={})
    with denied("not_governor"):
        company.propose("fang", thaw)
    proposal = company.propose("xu", thaw)
    with denied("not_governor"):
        company.confirm(proposal, "fang")
    with denied("two_people_needed"):
        company.confirm(proposal, "xu")
    with denied("change_invalid"):
        company.propose("xu", replace(thaw, data={"why": "x"}))
    company.confirm(proposal, "shen")
    company.dispatch(early)
    with denied("change_invalid"):
        company.thaw(frozen, "xu", "he")


def test_freezes_elsewhere_do_not(company: Company) -> None:
    """Another unit, channel or submission frozen leaves this one alone."""
    publication = company.released("ch_web")[0]
    other = company.submit("lu", "ch_web")
    company.freeze("xu", "unit", "unit_travel")
    company.freeze("xu", "channel", "ch_wechat")
    company.freeze("xu", "submission", other)
    company.send(publication)


def test_who_may_freeze(company: Company) -> None:
    """A unit head inside the unit only; others not at all; what is not there cannot be frozen."""
    submission = company.submit("lu", "ch_web")
    for scope, target in (("unit", "unit_irrigation"), ("unit", "unit_irrigation_general"), ("channel", "ch_irrigation"), ("submission", submission)):
        company.freeze("gu", scope, target)
    for person, scope, target in (("gu", "all", ""), ("gu", "channel", "ch_web"), ("gu", "unit", "unit_travel"), ("lu", "submission", submission),
                                  ("shao", "all", "")):
        with denied("no_office"):
            company.freeze(person, scope, target)
    for scope, target in (("all", "x"), ("unit", "x"), ("channel", "x"), ("submission", "x"), ("planet", "earth")):
        with denied("not_found"):
            company.freeze("xu", scope, target)


def test_a_freeze_outlives_its_submission(company: Company) -> None:
    """A frozen submission that was given up can still be thawed, and asking does not fail."""
    submission = company.submit("lu", "ch_web")
    frozen = company.freeze("gu", "submission", submission)
    company.do(c.Cancel(submission=submission), "lu")
    with denied("not_governor"):
        company.propose("meng", Change(type=EntryType.FREEZE_LIFTED, object=frozen, data={}))
    company.thaw(frozen, "fang", "shen")
    assert company.state.freezes == {}


def test_a_dispatch_of_another_epoch_is_refused(company: Company) -> None:
    """A restore leaves no intent to dispatch; were one left, its epoch would refuse it."""
    publication = company.released("ch_web")[0]
    company.spend(publication)
    company.state.epoch = "epo_2"
    with denied("scope_mismatch"):
        company.dispatch(publication)
