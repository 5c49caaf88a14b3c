"""What crosses the socket and fills the log: claims, entries, denials, facts, instants, statements."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import ValidationError

from gateway import canonical
from gateway.canonical import NotCanonical, sha256
from gateway.machine.policy import RULES
from gateway.protocol import claims, entries, instants, requests, statements
from gateway.protocol.claims import Claims, ClaimsInvalid
from gateway.protocol.denials import CATALOGUE, Denied, article
from gateway.protocol.entries import CommandRef, Entry, EntryType
from gateway.protocol.facts import Category, Facts
from gateway.protocol.instants import Instant
from vault import dsse

D = sha256(b"x")
APPROVAL: dict[str, Any] = {"person": "gu", "office": "unit_head", "stage": "approve:unit_head:u", "method": "passkey", "statement": D, "entry": 7}
GOOD = Claims(
    "dep", "live", "tok_1", Instant("2026-11-23T01:00:00.000Z"), Instant("2026-11-23T01:02:00.000Z"), Instant("2026-11-26T10:00:00.000Z"),
    "epo", "edit", "ch_web", 1, "pub_1", "sub_1", 1, {"id": "101", "digest": D}, D, D, D, "lu", (APPROVAL,), {**APPROVAL, "entry": 9},
)
ROOT = Path(__file__).parents[3]


def value() -> dict[str, Any]:
    """Return the claims as a value to spoil."""
    return canonical.parse(GOOD.to_bytes())  # type: ignore[no-any-return]


def test_claims_round_trip() -> None:
    """What was built is what is parsed; null content and no approvals are a withdrawal's alone."""
    assert claims.parse(GOOD.to_bytes()) == GOOD
    gone = {**value(), "operation": "withdraw", "content": None, "approvals": []}
    assert claims.parse(canonical.encode(gone)).approvals == ()
    assert claims.parse(canonical.encode({**value(), "previous": None, "operation": "publish"})).previous is None
    assert set(value()) == claims.CLAIMS


SPOILED: list[dict[str, Any]] = [
    *({name: ["of another type"]} for name in sorted(claims.CLAIMS - {"approvals"})),
    *({name: 5} for name in ("iss", "jti", "iat", "aud", "previous", "content", "approvals", "release", "author")),
    {"v": 2}, {"v": True}, {"v": "1"}, {"revision": True}, {"revision": 0}, {"credential": 0}, {"credential": "1"},
    {"aud": {"deployment": "dep"}}, {"aud": {"deployment": "dep", "kind": "staging"}}, {"aud": {"deployment": "other", "kind": "live"}},
    {"aud": {"deployment": "dep", "kind": 1}}, {"aud": {"deployment": "dep", "kind": "live", "x": ""}},
    {"previous": {"id": "1"}}, {"previous": {"id": "1", "digest": "sha256:1"}}, {"previous": {"id": 1, "digest": D}},
    {"content": "text"}, {"template": "sha256:" + "A" * 64}, {"policy": ""},
    {"exp": "9"}, {"exp": "2026-11-23T01:02:00.000Z"}, {"nbf": "2026-11-23T00:59:59.999Z"}, {"iat": "2026-11-23 01:00:00.000Z"},
    {"exp": "2026-02-30T00:00:00.000Z"}, {"operation": "mass_send"}, {"approvals": []}, {"approvals": [None]}, {"approvals": {}},
    {"approvals": [{**APPROVAL, "entry": True}]}, {"approvals": [{**APPROVAL, "entry": "7"}]}, {"approvals": [{**APPROVAL, "more": ""}]},
    {"approvals": [{**APPROVAL, "statement": "sha256:no"}]}, {"approvals": [{**APPROVAL, "person": 1}]}, {"release": {}}, {"extra": 1},
]


@pytest.mark.parametrize("over", SPOILED, ids="-".join)
def test_claims_of_another_shape(over: dict[str, Any]) -> None:
    """A10: each claim of another type, form or range fails, and so does one nobody knows."""
    with pytest.raises(ClaimsInvalid):
        claims.parse(canonical.encode({**value(), **over}))


@pytest.mark.parametrize("name", sorted(claims.CLAIMS))
def test_a_missing_claim(name: str) -> None:
    """Every claim is required."""
    with pytest.raises(ClaimsInvalid):
        claims.parse(canonical.encode({key: item for key, item in value().items() if key != name}))


BYTES = GOOD.to_bytes()


@pytest.mark.parametrize("data", [
    BYTES + b" ", BYTES + b"\n", b"\xef\xbb\xbf" + BYTES, BYTES[:-1], b"", b"null", b"[]", b'"x"', b"1",
    BYTES.replace(b'"v":1', b'"v":1.0'), BYTES.replace(b'"v":1', b'"v":1e0'), BYTES.replace(b'"v":1', b'"v":-0'), BYTES.replace(b'"v":1', b'"v":NaN'),
    BYTES.replace(b'"v":1', b'"v":1,"v":1'), BYTES.replace(b'"v":1', b'"v":9007199254740993'), BYTES.replace(b'"lu"', b'"\\u006cu"'),
    BYTES.replace(b'"lu"', b'"\\ud800"'), BYTES.replace(b'"lu"', b'"\xc0\xaf"'), b"[" * 10_000, b'{"v":1,"aud":' + b"{" * 200,
    BYTES.replace(b'"aud":', b'"z":1,"aud":'), BYTES[:1] + b'"zz":1,' + BYTES[1:],
])
def test_claims_in_another_spelling(data: bytes) -> None:
    """A8, A11: duplicate keys, floats, other escapes, order, white space, nesting, a byte order mark, trailing bytes."""
    with pytest.raises(ClaimsInvalid):
        claims.parse(data)


def test_claims_have_a_size() -> None:
    """What fits an envelope of 8 KiB passes, one byte more does not; the longest claims do make an envelope that can be read."""
    spare = claims.LIMIT - len(BYTES)
    fits = canonical.encode({**value(), "author": "lu" + "x" * spare})
    assert len(fits) == claims.LIMIT
    claims.parse(fits)
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    envelope = dsse.sign(fits, payload_type=claims.PAYLOAD_TYPE, public_key=public, signer=key.sign)
    assert dsse.verify(dsse.parse_text(dsse.encode_text(envelope)), public_key=public, payload_type=claims.PAYLOAD_TYPE) == fits
    with pytest.raises(ClaimsInvalid):
        claims.parse(canonical.encode({**value(), "author": "lu" + "x" * (spare + 1)}))


@pytest.mark.parametrize("position", range(0, len(BYTES), 7))
def test_a_changed_byte_is_another_token(position: int) -> None:
    """A1: whatever still parses after one changed byte says something else, and is the one spelling of that."""
    data = bytearray(BYTES)
    data[position] ^= 1
    with contextlib.suppress(ClaimsInvalid):
        other = claims.parse(bytes(data))
        assert other != GOOD
        assert other.to_bytes() == canonical.encode(canonical.parse(bytes(data))) == data


ENTRY = Entry(3, EntryType.COUNTERS_TAKEN, Instant("2026-11-23T01:00:00.000Z"), "system", "dep", CommandRef("cmd", D), {"counts": {"x": 1}})


def test_entries_round_trip() -> None:
    """Bytes are canonical, parse gives the entry again, and load does so quickly for our own log."""
    body = ENTRY.to_bytes()
    assert entries.parse(body) == entries.load(body) == ENTRY
    assert canonical.encode(canonical.parse(body)) == body
    without = Entry(3, "x.y", ENTRY.at, "a", "b", None, {})
    assert entries.parse(without.to_bytes()) == entries.load(without.to_bytes()) == without


LINE = ENTRY.to_bytes() + b"\n"


def test_entries_come_on_lines() -> None:
    """Many are read at once, in order; none is nothing."""
    other = Entry(4, "x.y", ENTRY.at, "a", "b", None, {"text": "一行\n两行"})
    assert entries.load_lines(LINE + other.to_bytes() + b"\n", 2) == [ENTRY, other]
    assert entries.load_lines(b"", 0) == []


@pytest.mark.parametrize("body", [
    b"", b"\n", b"{}", b"[]", LINE[:-2], LINE[:-1] + b" ", b" " + LINE[:-1] + LINE[:-1], LINE.replace(b'"v":1', b'"v":2')[:-1],
    LINE.replace(b'"v":1', b'"v":true')[:-1], LINE.replace(b'"seq":3', b'"seq":"3"')[:-1], LINE.replace(b'"seq":3', b'"seq":true')[:-1],
    LINE.replace(b'"seq":3', b'"sea":3')[:-1], LINE.replace(b'{"x":1}', b'{"x":1.0}')[:-1], LINE.replace(b'{"x":1}', b'{"x":NaN}')[:-1],
    LINE.replace(b'{"x":1}', b"[" * 30000 + b"]" * 30000)[:-1], LINE.replace(b"system", b"sys\xfftem")[:-1], LINE.replace(b"system", b"sys\\ud800")[:-1],
    LINE.replace(b'"command":{', b'"command":[{')[:-1], LINE.replace(b'"data":{', b'"data":[{')[:-1],
])
def test_what_is_no_entry_is_not_loaded(body: bytes) -> None:
    """Another version, type or spelling of a number, floats, broken text, depth, and what stands behind it: refused alone and among others."""
    with pytest.raises(NotCanonical):
        entries.load(body)
    with pytest.raises(NotCanonical):
        entries.load_lines(LINE + body + b"\n" + LINE, 3)


def test_lines_that_are_not_one_entry_each_are_refused() -> None:
    """A line feed inside, two entries that would count as another number, an empty line that would be skipped: the number must be right."""
    broken = LINE.replace(b'"seq":3', b'"seq":\n3')
    for lines, count in ((LINE + b"\n", 2), (LINE[:-1], 1), (LINE * 2, 1), (LINE, 2), (LINE + b"\n", 1), (broken, 1), (broken, 2), (LINE + LINE[:-1], 1)):
        with pytest.raises(NotCanonical):
            entries.load_lines(lines, count)


def test_the_year_is_the_companys() -> None:
    """Eight hours before midnight the company's year begins; in between the text says it."""
    for text in ("2026-12-30T15:59:59.999Z", "2026-12-31T15:59:59.999Z", "2026-12-31T16:00:00.000Z", "2027-01-01T00:00:00.000Z", "2026-06-01T00:00:00.000Z"):
        assert instants.office_year(Instant(text)) == instants.office_day(Instant(text))[:4]
    assert instants.office_year(Instant("2026-12-31T16:00:00.000Z")) == "2027"


def test_entries_have_a_size() -> None:
    """65,535 bytes pass, one more does not."""
    room = entries.LIMIT - len(Entry(0, "x", ENTRY.at, "a", "b", None, {"t": ""}).to_bytes())
    assert len(Entry(0, "x", ENTRY.at, "a", "b", None, {"t": "x" * room}).to_bytes()) == entries.LIMIT
    with pytest.raises(NotCanonical):
        Entry(0, "x", ENTRY.at, "a", "b", None, {"t": "x" * (room + 1)}).to_bytes()


@pytest.mark.parametrize("over", [
    {"v": 2}, {"v": True}, {"seq": "3"}, {"seq": True}, {"seq": -1}, {"type": 1}, {"at": "yesterday"}, {"at": 1}, {"actor": None}, {"object": []},
    {"data": []}, {"command": {}}, {"command": "x"}, {"command": {"id": "x", "body": 1}}, {"command": {"id": "x", "body": D, "y": 1}}, {"more": 1},
])
def test_entries_of_another_shape(over: dict[str, Any]) -> None:
    """From anybody, only an entry of version 1 is an entry."""
    with pytest.raises(NotCanonical):
        entries.parse(canonical.encode({**canonical.parse(ENTRY.to_bytes()), **over}))
    with pytest.raises(NotCanonical):
        entries.parse(b"[]")


def test_denials_say_four_things() -> None:
    """Every code has its words in two languages, a rule and a next step; a denial carries who and what."""
    for code, words in CATALOGUE.items():
        assert all((words.zh, words.en, words.zh_next, words.en_next)), code
        assert 400 <= words.status < 600
        assert re.search("[\u4e00-\u9fff]", words.zh + words.zh_next)
        assert words.rule == "R0" or (article(words.rule, "zh") and article(words.rule, "en"))
    plain, special = Denied("frozen", ask=("xu",), detail="frz", seq=5), Denied("no_office", rule="R9", missing=("a",))
    assert (plain.rule, plain.ask, plain.more, plain.words.status) == ("R8", ("xu",), {"seq": 5}, 403)
    assert (special.rule, special.missing) == ("R9", ("a",))
    with pytest.raises(KeyError):
        Denied("because")


@pytest.mark.parametrize(("rule", "zh", "en"), [
    ("R17.1", "《公司新媒体运营管理办法》第十七条第（一）项", "Regulation, article 17(1)"),
    ("R17.1a", "《公司新媒体运营管理办法》第十七条第（一）项", "Regulation, article 17(1)"),
    ("R12.4", "《公司新媒体运营管理办法》第十二条第（四）项", "Regulation, article 12(4)"),
    ("R8", "《公司新媒体运营管理办法》第八条", "Regulation, article 8"), ("R20", "《公司新媒体运营管理办法》第二十条", "Regulation, article 20"),
    ("R10", "《公司新媒体运营管理办法》第十条", "Regulation, article 10"), ("R25", "《公司新媒体运营管理办法》第二十五条", "Regulation, article 25"),
    ("R0", "", ""), ("house", "", ""),
])
def test_articles_in_words(rule: str, zh: str, en: str) -> None:
    """A rule id names its article and item; house rules have none."""
    assert (article(rule, "zh"), article(rule, "en")) == (zh, en)


def test_every_rule_has_an_article_that_exists() -> None:
    """Rule ids in the table and in the code point into the 25 articles, in both languages."""
    ids = {rule.id for rule in RULES} | {words.rule for words in CATALOGUE.values()}
    for path in (ROOT / "gateway" / "machine").rglob("*.py"):
        ids |= set(re.findall(r'"(R\d+(?:\.\d+\w*)?)"', path.read_text(encoding="utf-8")))
    for rule in ids - {"R0"}:
        assert 1 <= int(rule[1:].split(".")[0]) <= 25
        assert article(rule, "zh").startswith("《公司新媒体运营管理办法》第")
        assert article(rule, "en").startswith("Regulation, article ")


def test_every_raised_code_is_in_the_catalogue_and_the_machine_s_are_tested() -> None:
    """No code without words; each the machine raises is expected by name in a test of the machine."""
    raised: dict[str, set[str]] = {}
    for path in (ROOT / "gateway").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found = set(re.findall(r'Denied\(\s*"(\w+)"', text))
        found |= {code for pair in re.findall(r'Denied\(\s*"(\w+)" if [^,)]* else "(\w+)"', text) for code in pair}
        raised[str(path.relative_to(ROOT / "gateway"))] = found
    assert set().union(*raised.values()) <= set(CATALOGUE)
    machine = set().union(*(codes for path, codes in raised.items() if path.startswith("machine")))
    tests = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests/gateway/machine").glob("test_*.py"))
    assert {code for code in machine if f'"{code}"' not in tests} == set()
    assert set(CATALOGUE) - machine == ELSEWHERE


ELSEWHERE = {"connector_changed", "log_unavailable", "vault_sealed", "clock_behind", "throttled", "published_needs_approval", "token_invalid", "token_expired",
             "not_reader"}
"""Codes of the enforcer's faces and of the gate's steps 1 to 3, which the machine never sees."""


def test_facts_are_strict() -> None:
    """Only the flags there are, only true and false, only the four categories."""
    facts = Facts(category=Category.OTHER.value, sensitive=True, found=("sensitive",))
    assert facts.value()["category"] == "other"
    assert facts.value()["found"] == ["sensitive"]
    for bad in ({"category": "gossip"}, {}, {"category": "news", "sensitive": 1}, {"category": "news", "approved": True},
                {"category": "news", "found": tuple("abcdefghi")}):
        with pytest.raises(ValidationError):
            Facts(**bad)  # type: ignore[arg-type]


def test_requests_name_no_person() -> None:
    """C8: who asks, what state it gets and whether it is an emergency are no fields of any request."""
    target = {"channel": "ch_123456", "operation": "publish"}
    facts = Facts(category="news")
    good = {"targets": [target], "content": D, "facts": facts, "command": "cmd_12345678", "draft": "d", "source": "desk"}
    requests.SubmitRequest(**good)  # type: ignore[arg-type]
    for extra in ({"person": "xu"}, {"actor": "xu"}, {"emergency": True}, {"status": "approved"}, {"approved_by": "gu"}, {"tenant_id": "x"}):
        with pytest.raises(ValidationError):
            requests.SubmitRequest(**good, **extra)  # type: ignore[arg-type]


def test_instants() -> None:
    """One form, real moments only, cut to milliseconds; days are counted in the company's zone."""
    moment = datetime(2026, 11, 23, 9, 12, 0, 123_999, tzinfo=timezone(timedelta(hours=8)))
    instant = instants.from_datetime(moment)
    assert instant == "2026-11-23T01:12:00.123Z"
    assert instants.to_datetime(instant) == datetime(2026, 11, 23, 1, 12, 0, 123_000, tzinfo=UTC)
    assert instants.from_datetime(instants.to_datetime(instant)) == instants.parse(instant) == instant
    assert instants.plus(instant, -0.123) == "2026-11-23T01:12:00.000Z"
    assert instants.seconds_between(instant, instants.plus(instant, 90)) == 90
    assert instants.office_day(Instant("2026-11-23T15:59:59.999Z")) == "2026-11-23"
    assert instants.office_day(Instant("2026-11-23T16:00:00.000Z")) == "2026-11-24"
    assert instants.EPOCH_START < instant < instants.NEVER
    with pytest.raises(ValueError, match="zone"):
        instants.from_datetime(moment.replace(tzinfo=None))
    for bad in (None, 5, "", "2026-11-23T01:12:00Z", "2026-11-23T01:12:00.123+00:00", "2026-13-01T00:00:00.000Z", "２026-11-23T01:12:00.123Z",
                "2026-11-23T01:12:60.000Z", "2026-11-23T01:12:00.123Z\n"):
        with pytest.raises(ValueError):
            instants.parse(bad)


def test_statements_bind_every_part() -> None:
    """Changing any part of a statement, its list's order, a verdict or the kind of list changes the digest."""
    parts: dict[str, Any] = {
        "deployment": "d", "epoch": "e", "verdict": "approve", "stage": "s", "office": "o", "signer": "p", "submission": "sub", "revision": 1,
        "content": D, "targets": [{"channel": "c"}], "facts": {"sensitive": False}, "route": D, "policy": D, "window_to": "w", "scheduled": None,
        "salt": "x",
    }
    base = canonical.digest(statements.statement(**parts))
    changed = {**parts, **dict.fromkeys(("content", "route", "policy"), sha256(b"y")), "revision": 2, "targets": [], "facts": {}, "scheduled": "t"}
    for name, part in parts.items():
        other = changed[name] if changed[name] != part else part + "!"
        assert canonical.digest(statements.statement(**{**parts, name: other})) != base
    one, two = (D, "approve"), (sha256(b"y"), "approve")
    lists = [(statements.LIST_LABEL, (one, two)), (statements.LIST_LABEL, (two, one)), (statements.LIST_LABEL, (one,)),
             (statements.PROPOSAL_LABEL, (one, two)), (statements.LIST_LABEL, ((D, "release"), two))]
    assert len({statements.list_digest(label, items) for label, items in lists}) == len(lists)
