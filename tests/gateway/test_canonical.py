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
        '["键",1.0]'.encode(), '["键",9007199254740992]'.encode(), ("[" * 65 + '"键"' + "]" * 65).encode(), b'{"a":"\\ud800"}',
        b'{"a":1.5}', b'{"a":-1E5}', b"1.5", b"-", b"[1.5]", b"[-1e5]", b"18446744073709551616", b"[1E400]", b'{"a":"b:1.5","c":9007199254740992}', b"[1,-0]", b"1.",
        b'["\xed\xa0\x80"]', b"[" * 40 + b"[1.5" + b"]" * 41,
    ],
)
def test_every_other_spelling_is_refused(data: bytes) -> None:
    """Duplicates, floats, white space, escapes, deep nesting and non-ASCII keys do not parse."""
    with pytest.raises(canonical.NotCanonical):
        canonical.parse(data)


@pytest.mark.parametrize("value", [1.0, {1: 2}, {"键": 1}, "\ud800", 2**53, {"a": object()}, b"x"])
def test_values_without_a_canonical_form_are_refused(value: Any) -> None:
    """The encoder refuses what the parser could not give back."""
    with pytest.raises(canonical.NotCanonical):
        canonical.encode(value)


@pytest.mark.parametrize("data", [
    b"[" * 64 + b"]" * 64, b"[" + b"[]," * 70 + b"[]]", b'["[[[[", 9007199254740991,-9007199254740991]'.replace(b", ", b","), b'{"a":"\\u0000\\n"}',
    '{"a":["键","😀"]}'.encode(), b'{"a":"b:1.5"}', b'{"a":"\\":-2e9","b":[1,0,-7]}', '"\u2028\u007f"'.encode(),
])
def test_what_is_canonical_is_read(data: bytes) -> None:
    """Sixty-four levels, many brackets side by side, brackets and floats in texts, the largest integers and control characters are all fine."""
    assert canonical.encode(canonical.parse(data)) == data


def test_a_limit_is_kept_before_reading() -> None:
    """Oversized input is refused by its length."""
    with pytest.raises(canonical.NotCanonical, match="too long"):
        canonical.parse(b"[1,2,3]", limit=3)


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "A" * 64, "sha1:" + "a" * 40, "sha256:" + "a" * 63, None, 1])
def test_a_digest_has_one_form(text: object) -> None:
    """A digest is never a bare hex string."""
    with pytest.raises(canonical.NotCanonical):
        canonical.parse_digest(text)
    assert canonical.parse_digest("sha256:" + "a" * 64) == "sha256:" + "a" * 64
