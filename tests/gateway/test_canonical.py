"""Canonical JSON: one byte string for a value, and no second spelling accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gateway import canonical

_text = st.text(alphabet=st.characters(exclude_categories=["Cs"]))
_keys = st.text(alphabet=st.characters(max_codepoint=127))
_values = st.recursive(
    st.none() | st.booleans() | st.integers(-canonical.MAX_INTEGER, canonical.MAX_INTEGER) | _text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_keys, inner, max_size=4),
    max_leaves=12,
)


@given(_values)
def test_encoding_equals_the_reference_library(value: Any) -> None:
    """Our bytes are RFC 8785 bytes."""
    assert canonical.encode(value) == rfc8785.dumps(value)
    assert canonical.encode_trusted(value) == rfc8785.dumps(value)


@given(_values)
def test_parsing_is_the_inverse(value: Any) -> None:
    """What was encoded is read back equal."""
    assert canonical.parse(canonical.encode(value)) == value


_any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(alphabet='":,[]{}0129.eE-a键', max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(alphabet='":,0.ea', max_size=4), inner, max_size=3), max_leaves=6,
)


@given(_any_json, st.booleans())
def test_any_other_json_is_refused_or_is_the_one_spelling(value: Any, ascii_only: bool) -> None:
    """Floats and large numbers, in texts and beside them: what is read holds no float, and spells back to the same bytes."""
    data = json.dumps(value, ensure_ascii=ascii_only, sort_keys=True, separators=(",", ":")).encode()
    try:
        expected: bytes | None = canonical.encode(value)
    except canonical.NotCanonical:
        expected = None
    if expected == data:
        assert canonical.parse(data) == value
    else:
        with pytest.raises(canonical.NotCanonical):
            canonical.parse(data)


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":1,"a":2}', b'{"a": 1}', b'{"b":1,"a":2}', b"1.0", b"1e0", b"-0", b"9007199254740992", b"NaN", b"Infinity",
        b'"\\u0041"', b'"\\ud800"', b"\xef\xbb\xbf{}", b"{}\n", b'"\xc0\xae"', b"", b"[" * 5000 + b"]" * 5000,
        '{"键":1}'.encode(), b"[" * 65 + b"]" * 65, b'{"\\u952e":1}', b'["\\ud83d\\ude00"]', b"-9007199254740992", b"1" * 5000, b"[-Infinity]",
        b'[{"a":' * 33 + b"1" + b"}]" * 33, b'{"a":' * 65 + b"1" + b"}" * 65,
        '["键",1.0]'.encode(), '["键",9007199254740992]'.encode(), ("[" * 65 + '"键"' + "]" * 65).encode(), b'{"a":"\\ud800"}',
        b'{"a":1.5}', b'{"a":-1E5}', b"1.5", b"-", b"[1.5]", b"[-1e5]", b"18446744073709551616", b"[1E400]", b'{"a":"b:1.5","c":9007199254740992}', b"[1,-0]", b"1.",
        b'["\xed\xa0\x80"]', b"[" * 40 + b"[1.5" + b"]" * 41,
    ],
)
def test_every_other_spelling_is_refused(data: bytes) -> None:
    """Duplicates, floats, white space, escapes, deep nesting and non-ASCII keys do not parse."""
    with pytest.raises(canonical.NotCanonical):
        canonical.parse(data)


def nested(levels: int, *, objects: bool) -> Any:
    """Return arrays, or objects, in as many levels."""
    value: Any = 1
    for _ in range(levels):
        value = {"a": value} if objects else [value]
    return value


@pytest.mark.parametrize(("value", "why"), [
    (1.0, "type float has no canonical form"), ({1: 2}, "object keys are ASCII strings"), ({"键": 1}, "object keys are ASCII strings"),
    ("\ud800", "lone surrogate"), (2**53, "integer out of range"), (-(2**53), "integer out of range"),
    ({"a": object()}, "type object has no canonical form"), (b"x", "type bytes has no canonical form"),
    (nested(65, objects=False), "nested too deeply"), (nested(65, objects=True), "nested too deeply"),
])
def test_values_without_a_canonical_form_are_refused(value: Any, why: str) -> None:
    """The encoder refuses what the parser could not give back, and says why."""
    with pytest.raises(canonical.NotCanonical) as caught:
        canonical.encode(value)
    assert str(caught.value) == why


def test_sixty_four_levels_and_arrays_of_either_kind_have_a_form() -> None:
    """As deep as the parser reads, and a tuple is an array like a list."""
    for objects in (False, True):
        value = nested(64, objects=objects)
        assert canonical.parse(canonical.encode(value)) == value
    assert canonical.encode(("a", [True])) == b'["a",[true]]'


@given(_values)
def test_no_spelling_is_longer_than_its_bound(value: Any) -> None:
    """What is judged by its bound is never longer."""
    assert canonical.bound(value) >= len(canonical.encode(value))


@pytest.mark.parametrize(("value", "commas"), [
    ("\x01\x02", 0), ("", 0), (-canonical.MAX_INTEGER, 0), (False, 0), ([], 0), ({}, 0), ([False], 1), (["\x01", -canonical.MAX_INTEGER, [False]], 2),
    ({"\x01": "\x02", "\x03\x04": False}, 1), ({"\x01": {"\x02": ["\x03"]}}, 3),
])
def test_a_bound_is_reached_but_for_a_comma_behind_the_last_of_each(value: Any, commas: int) -> None:
    """Where every character takes six bytes nothing is given away: a looser bound would refuse what fits, or ask for the spelling more often."""
    assert canonical.bound(value) == len(canonical.encode(value)) + commas


@pytest.mark.parametrize("data", [
    b"[" * 64 + b"]" * 64, b"[" + b"[]," * 70 + b"[]]", b'["[[[[", 9007199254740991,-9007199254740991]'.replace(b", ", b","), b'{"a":"\\u0000\\n"}',
    '{"a":["键","😀"]}'.encode(), b'{"a":"b:1.5"}', b'{"a":"\\":-2e9","b":[1,0,-7]}', '"\u2028\u007f"'.encode(),
])
def test_what_is_canonical_is_read(data: bytes) -> None:
    """Sixty-four levels, many brackets side by side, brackets and floats in texts, the largest integers and control characters are all fine."""
    assert canonical.encode(canonical.parse(data)) == data


def test_a_limit_is_kept_before_reading() -> None:
    """Oversized input is refused by its length."""
    assert canonical.parse(b"[1,2,3]", limit=7) == [1, 2, 3]
    for limit in (3, 6):
        with pytest.raises(canonical.NotCanonical, match="too long"):
            canonical.parse(b"[1,2,3]", limit=limit)


@pytest.mark.parametrize(("data", "why", "cause"), [
    (b"[1.5]", "not JSON in UTF-8", "1.5 has no canonical form"), (b"[NaN]", "not JSON in UTF-8", None), (b"[", "not JSON in UTF-8", None),
    (b"[1, 2]", "not the canonical spelling", None), ('["键", 1]'.encode(), "not the canonical spelling", None),
])
def test_why_bytes_are_refused(data: bytes, why: str, cause: str | None) -> None:
    """Not JSON at all, or another spelling than the one; of a float the cause is kept."""
    with pytest.raises(canonical.NotCanonical) as caught:
        canonical.parse(data)
    assert str(caught.value) == why
    assert cause is None or str(caught.value.__cause__) == cause


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "sha1:" + "a" * 40, "sha256:" + "a" * 63, None, 1])
def test_a_digest_has_one_form(text: object) -> None:
    """A digest is never a bare hex string."""
    with pytest.raises(canonical.NotCanonical, match="not a sha256 digest"):
        canonical.parse_digest(text)
    assert canonical.parse_digest("sha256:" + "a" * 64) == "sha256:" + "a" * 64
