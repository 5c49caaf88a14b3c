"""What planted bugs in tables once went unseen: who and what stands in each list of the machine, written out a second time.

These lists decide who may act and what may be done, and a member too many or too few is no error of any function: so they are kept twice.
"""

from __future__ import annotations

import re

import pytest

from gateway import machine
from gateway.machine import blackouts, changes, channels, deployment, freezes, people, policy, publications, signing, submissions
from gateway.machine.state import (
    GOVERNORS,
    OPEN_PUBLICATION,
    RELEASABLE,
    REVIEWABLE,
    STOPPABLE,
    Appointment,
    Channel,
    Office,
    Person,
    Publication,
    PublicationState,
    Signature,
    Stage,
    State,
    SubmissionState,
    TargetState,
)
from gateway.protocol.instants import EPOCH_START, NEVER, Instant
from tests.gateway.machine.company import text_digest

LISTS: dict[str, tuple[object, set[str]]] = {
    "governors": (GOVERNORS, {"founder", "brand_pr_head", "sysadmin"}),
    "on its way": (OPEN_PUBLICATION, {"held", "intended", "prepared", "dispatched", "pending", "unknown"}),
    "may be released again": (RELEASABLE, {"rejected", "absent", "abandoned", "stopped", "missed"}),
    "may be reviewed": (REVIEWABLE, {"in_review", "released"}),
    "may be stopped": (STOPPABLE, {"held", "intended", "prepared"}),
    "write": (submissions.WRITERS, {"author", "operator", "brand_pr", "brand_pr_head"}),
    "may be revised": (submissions.REVISABLE, {"returned", "recalled", "expired"}),
    "took effect": (submissions._EFFECT, {"live", "gone", "withdrawn", "replaced"}),
    "was dispatched": (publications._AFTER_DISPATCH, {"dispatched", "pending", "unknown"}),
    "freeze anywhere": (freezes.ANYWHERE, {"brand_pr", "brand_pr_head", "leader", "founder"}),
    "sign with": (people.SIGNING, {"totp", "passkey"}),
    "levels": (channels.LEVELS, {"company", "own"}),
    "filings": (channels.FILINGS, {"filed", "changing", "suspended", "cancelled"}),
    "vault": (deployment.VAULT_ACTIONS, {"unsealed", "sealed", "rotated", "slot_added", "slot_removed"}),
    "for the whole group": (changes.GROUP_OFFICES, {"founder", "leader", "brand_pr", "brand_pr_head", "auditor", "sysadmin"}),
    "for a channel": (changes.CHANNEL_OFFICES, {"operator", "custodian"}),
    "platforms": (changes.PLATFORMS, {"wechat", "weibo", "wordpress", "bench"}),
    "why nothing is sent on a day": (blackouts.KINDS, {"mourning", "assembly", "earnings", "incident", "other"}),
    "unit kinds": (changes.UNIT_KINDS, {"subsidiary", "department"}),
    "operations": (policy.OPERATIONS, {"publish", "edit", "withdraw"}),
    "ordinary": (policy.ORDINARY, {"company", "news", "culture"}),
    "settlements": (changes.SETTLEMENTS, {"publication.live", "publication.gone", "publication.absent"}),
    "credentials": (changes.CREDENTIALS, {"credential.stored", "credential.retired"}),
    "not for oneself": (changes.ABOUT_A_PERSON, {"factor.revoked", "enrolment.opened", "person.suspended", "person.restored"}),
    "offices": (set(Office), {"founder", "unit_head", "leader", "brand_pr", "brand_pr_head", "operator", "author", "custodian", "auditor", "sysadmin"}),
    "submission states": (set(SubmissionState), {"in_review", "released", "returned", "recalled", "cancelled", "expired", "done"}),
    "publication states": (set(PublicationState), {
        "held", "intended", "prepared", "dispatched", "pending", "unknown", "live", "gone", "rejected", "absent", "abandoned", "stopped",
        "missed", "withdrawn", "replaced"}),
}


@pytest.mark.parametrize("name", LISTS)
def test_who_and_what_stands_in_each_list(name: str) -> None:
    """Exactly these, by the words that stand in the log."""
    found, expected = LISTS[name]
    assert {str(member) for member in found} == expected  # type: ignore[attr-defined]


def test_numbers() -> None:
    """Seconds, sizes and counts that the design and the platforms' pages name."""
    assert signing.HOLD_SECONDS == {"live": 120, "sandbox": 0}
    assert (publications.NOT_AFTER_SECONDS, publications.MISSED_SECONDS) == (30, 900)
    assert machine.COMMAND_MEMORY_SECONDS == 172_800
    assert (machine.ENVELOPE, changes.LIMIT, submissions.TARGET_LIMIT) == (1_024, 200, 20)
    assert {platform: policy.DAILY_LIMITS[platform] for platform in ("wechat", "weibo", "wordpress")} == {"wechat": 100, "weibo": 30, "wordpress": 500}
    assert {"totp_release": {"on", "off"}, "totp_route": {"on", "off"}} == changes.SWITCHES


def test_the_regulations_rows() -> None:
    """Articles 12, 14 and 17, row by row; each says itself in both languages."""
    assert [(rule.id, rule.when, rule.stages) for rule in policy.RULES] == [
        ("R17.1a", "level:company", (("approve", (("unit_head", "author"),)), ("release", (("brand_pr", "group"), ("brand_pr_head", "group"))))),
        ("R17.1b", "level:own", (("approve", (("unit_head", "owner"),)), ("release", (("operator", "channel"), ("unit_head", "owner"))))),
        ("R14", "fact:sensitive", (("approve", (("leader", "group"),)), ("release", (("brand_pr", "group"), ("brand_pr_head", "group"))))),
        ("R12.4", "fact:category_other", (("approve", (("leader", "group"),)),)),
        ("R17.2", "fact:executives", (("release", (("brand_pr", "group"), ("brand_pr_head", "group"))),)),
    ]
    for rule in policy.RULES:
        assert re.search("[\u4e00-\u9fff]{4}.*：", rule.zh)
        assert re.match(r"[A-Z].*(:|,) .*(approves|releases)$", rule.en)


def test_an_empty_state_knows_nothing() -> None:
    """Before the first entry nothing is known, nothing is isolated and no instant has passed."""
    state = State()
    texts = ("deployment", "kind", "epoch", "desk", "counter", "group")
    assert [getattr(state, name) for name in texts] == [""] * len(texts)
    assert (state.size, state.last_at, state.last_command, state.isolated) == (0, EPOCH_START, None, False)
    filled = [name for name in State.__slots__ if name not in {*texts, "size", "last_at", "last_command", "isolated", "queues"} and getattr(state, name)]
    assert filled == []
    assert (state.waiting, state.waits, state.queues.stale) == ({}, {}, {})


def test_what_an_entry_does_not_say_is_off() -> None:
    """Defaults: nobody is suspended, nothing is void, no office ends, a stage's signer is apart, a new publication has no outcome."""
    at = Instant("2026-11-23T01:00:00.000Z")
    person = Person("p", text_digest("n"), "u")
    assert (person.suspended, person.factors, person.totp_step, person.enrolment, person.details) == (False, {}, 0, None, {})
    assert Appointment("a", "p", "author", "u", at).end == NEVER
    channel = Channel("c", "weibo", "a", "n", "u", "own", "filed", "1", {})
    assert (channel.custodians, channel.credential, channel.credential_version, channel.sent, channel.seq) == ((), None, 0, {}, 0)
    stage = Stage("s", "approve", (), "R14")
    assert (stage.channels, stage.apart) == ((), True)
    assert Signature("s", "approve", "p", "o", "passkey", "d", 1, at).void is False
    assert TargetState("c", "publish", "t", None).publication is None
    made = Publication("p", "s", 1, "c", "publish", None, "t", None, "j", "t", 1, PublicationState.HELD, at, at, at, fixed=False, epoch="e",
                       released_at=at)
    rest = ("rip", "signatures", "handles", "filled", "snapshot", "intended_at", "dispatched_at", "dispatch_seq", "pending_handle",
            "pending_since", "remote_id", "url", "reason", "drift", "seq", "emergency")
    assert [getattr(made, name) for name in rest] == [
        None, (), {}, "", "", EPOCH_START, EPOCH_START, 0, "", EPOCH_START, "", "", {}, "", 0, False]
