"""What planted bugs in claims and statements once went unseen: each refusal for its own reason, and the words that are signed."""

from __future__ import annotations

from typing import Any

import pytest

from gateway import canonical
from gateway.canonical import sha256
from gateway.protocol import claims, statements
from gateway.protocol.claims import ClaimsInvalid

D = sha256(b"x")
APPROVAL: dict[str, Any] = {"person": "gu", "office": "unit_head", "stage": "approve:unit_head:u", "method": "passkey", "statement": D, "entry": 7}
VALUE: dict[str, Any] = {
    "v": 1, "iss": "dep", "aud": {"deployment": "dep", "kind": "live"}, "jti": "tok_1", "iat": "2026-11-23T01:00:00.000Z",
    "nbf": "2026-11-23T01:02:00.000Z", "exp": "2026-11-26T10:00:00.000Z", "epoch": "epo", "operation": "edit", "channel": "ch_web",
    "credential": 1, "publication": "pub_1", "submission": "sub_1", "revision": 1, "previous": {"id": "101", "digest": D}, "content": D,
    "template": D, "policy": D, "author": "lu", "approvals": [APPROVAL], "release": {**APPROVAL, "entry": 9},
}
TEXTS = ("iss", "jti", "iat", "nbf", "exp", "epoch", "operation", "channel", "publication", "submission", "template", "policy", "author")


@pytest.mark.parametrize(("over", "words"), [
    *(({name: ["of another type"]}, f"Expected `str`, got `array` - at `$.{name}`") for name in TEXTS),
    *(({name: "1"}, f"Expected `int`, got `str` - at `$.{name}`") for name in ("v", "credential", "revision")),
    ({"v": 2}, "unknown version"), ({"extra": 1}, "Object contains unknown field `extra`"),
    ({"aud": {"deployment": "dep", "kind": ["live"]}}, "Expected `str`, got `array` - at `$.aud.kind`"),
    ({"aud": {"deployment": ["dep"], "kind": "live"}}, "Expected `str`, got `array` - at `$.aud.deployment`"),
    ({"aud": {"deployment": "dep"}}, "Object missing required field `kind` - at `$.aud`"), ({"aud": "dep"}, "Expected `object`, got `str` - at `$.aud`"),
    ({"aud": {"deployment": "dep", "kind": "live", "x": ""}}, "Object contains unknown field `x` - at `$.aud`"),
    ({"previous": {"id": 1, "digest": D}}, "Expected `str`, got `int` - at `$.previous.id`"),
    ({"previous": {"id": "1"}}, "Object missing required field `digest` - at `$.previous`"),
    ({"previous": {"id": "1", "digest": D, "x": ""}}, "not canonical"), ({"previous": D}, "Expected `object | null`, got `str` - at `$.previous`"),
    ({"content": [D]}, "Expected `str | null`, got `array` - at `$.content`"), ({"content": 5}, "Expected `str | null`, got `int` - at `$.content`"),
    ({"approvals": {}}, "Expected `array`, got `object` - at `$.approvals`"),
    ({"approvals": [None]}, "Expected `object`, got `null` - at `$.approvals[0]`"),
    *(({"approvals": [{**APPROVAL, name: None}]}, f"Expected `{'int' if name == 'entry' else 'str'}`, got `null` - at `$.approvals[0].{name}`") for name in APPROVAL),
    ({"approvals": [{**APPROVAL, "x": ""}]}, "not canonical"), ({"release": {**APPROVAL, "entry": True}}, "Expected `int`, got `bool` - at `$.release.entry`"),
    ({"release": {}}, "Object missing required field `person` - at `$.release`"),
    ({"approvals": [{**APPROVAL, "statement": "x"}]}, "an instant or digest of another form"), ({"policy": "x"}, "an instant or digest of another form"),
    ({"exp": "9"}, "an instant or digest of another form"), ({"template": "sha256:1"}, "an instant or digest of another form"),
    ({"content": "text"}, "an instant or digest of another form"), ({"release": {**APPROVAL, "statement": "x"}}, "an instant or digest of another form"),
    ({"previous": {"id": "1", "digest": "x"}}, "an instant or digest of another form"),
    ({"operation": "mass_send"}, "operation or kind unknown"), ({"aud": {"deployment": "dep", "kind": "staging"}}, "operation or kind unknown"),
    ({"revision": 0}, "a number out of range"), ({"credential": 0}, "a number out of range"),
    ({"aud": {"deployment": "other", "kind": "live"}}, "issuer and audience differ"),
    ({"nbf": "2026-11-23T00:59:59.999Z"}, "instants out of order"), ({"exp": "2026-11-23T01:02:00.000Z"}, "instants out of order"),
    ({"approvals": []}, "no approval"),
])
def test_each_refusal_has_its_own_reason(over: dict[str, Any], words: str) -> None:
    """A10: a claim is refused by the check that is about it, not by luck further on; the reason goes to the enforcer's log."""
    with pytest.raises(ClaimsInvalid) as refused:
        claims.parse(canonical.encode({**VALUE, **over}))
    assert str(refused.value) == words


def test_other_bytes_have_their_reason_too() -> None:
    """White space after the claims is no token."""
    data = canonical.encode(VALUE)
    for other, words in ((data + b" ", "not canonical"), (data[:-1], "not JSON in UTF-8"), (data + b" " * 5_888, "too long"),
                         (data.replace(b'"lu"', b'"\xed\xa0\x80"'), "not JSON in UTF-8"), (data.replace(b'"lu"', b'"\\u6c34"'), "not canonical")):
        with pytest.raises(ClaimsInvalid) as refused:
            claims.parse(other)
        assert str(refused.value) == words


def test_what_just_passes() -> None:
    """Both kinds of deployment, a token valid from the instant it is made, and the longest claims of 5,888 bytes."""
    assert claims.parse(canonical.encode(VALUE)).kind == "live"
    assert claims.parse(canonical.encode({**VALUE, "aud": {"deployment": "dep", "kind": "sandbox"}})).kind == "sandbox"
    assert claims.parse(canonical.encode({**VALUE, "nbf": VALUE["iat"]})).nbf == VALUE["iat"]
    for number in (2**53 - 1, -(2**53 - 1)):
        assert claims.parse(canonical.encode({**VALUE, "release": {**APPROVAL, "entry": number}})).release["entry"] == number
    room = 5_888 - len(canonical.encode({**VALUE, "author": ""}))
    assert claims.parse(canonical.encode({**VALUE, "author": "x" * room})).author == "x" * room
    with pytest.raises(ClaimsInvalid):
        claims.parse(canonical.encode({**VALUE, "author": "x" * (room + 1)}))


@pytest.mark.parametrize(("name", "number"), [("credential", 2**53), ("revision", 2**53), ("entry", 2**53), ("entry", -(2**53)), ("entry", 2**70)])
def test_a_number_that_others_read_differently_is_refused(name: str, number: int) -> None:
    """From 2^53 on a reader with floats sees another number: no claim has one, wherever it stands."""
    data = canonical.encode(VALUE)
    old = b'"entry":7' if name == "entry" else b'"%s":1' % name.encode()
    with pytest.raises(ClaimsInvalid):
        claims.parse(data.replace(old, old.partition(b":")[0] + b":%d" % number))


GIVEN: dict[str, Any] = {
    "deployment": "d", "epoch": "e", "verdict": "approve", "stage": "s", "office": "o", "signer": "p", "submission": "sub", "revision": 1,
    "content": D, "targets": ({"channel": "c"},), "facts": {"sensitive": False}, "route": D, "policy": D, "window_to": "w", "scheduled": None,
    "salt": "x",
}


def test_a_statement_is_these_bytes() -> None:
    """Version 1 of the statement, member by member; another version would be signed by nobody's earlier proof."""
    made = statements.statement(**GIVEN)
    assert made == {
        "v": 1, "deployment": "d", "epoch": "e", "verdict": "approve", "stage": "s", "office": "o", "signer": "p", "submission": "sub",
        "revision": 1, "content": D, "targets": [{"channel": "c"}], "facts": {"sensitive": False}, "route": D, "policy": D,
        "window_to": "w", "scheduled": None, "salt": "x",
    }
    more = {"checked": D, "reason": "data", "notes": canonical.sha256(b"notes")}
    for name, value in more.items():  # there only where there is something to say, and then each under its own name
        assert statements.statement(**{**GIVEN, name: value}) == {**made, name: value}
    assert statements.statement(**GIVEN, **more) == {**made, **more}


def test_the_four_kinds_of_list() -> None:
    """A list's label is under its digest and says which kind it is; one list holds 20 statements."""
    labels = [statements.LIST_LABEL, statements.PROPOSAL_LABEL, statements.EMERGENCY_LABEL, statements.FACTOR_LABEL]
    assert labels == ["qianfa/list/v1", "qianfa/proposal/v1", "qianfa/emergency/v1", "qianfa/factor/v1"]
    assert statements.LIST_LIMIT == 20
    assert statements.list_digest(labels[0], [(D, "approve")]) == canonical.digest({"label": "qianfa/list/v1", "items": [[D, "approve"]]})
