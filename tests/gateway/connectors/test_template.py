"""Templates are read strictly: one spelling, every member known, of its type and form."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import canonical
from gateway.canonical import NotCanonical, sha256
from gateway.connectors.base import TEMPLATE_LIMIT, MediaRef, Operation, Previous, Slot, Template

D = sha256(b"x")
SLOT = Slot(role="body", digest=D)
ONE = Template(
    platform="wechat", connector="wechat/1", operation=Operation.EDIT, account="gh_1",
    fields={"title": ("换管",), "content": ("<p>水</p>", SLOT, "<p>🌾</p>")},
    media=(MediaRef(role="body", type="image/png", length=7, digest=D),), previous=Previous(id="101", url="https://a.example/1", digest=D),
)
DATA = ONE.to_bytes()


def value(**over: Any) -> dict[str, Any]:
    """Return the template as a value, spoilt."""
    return {**ONE.value(), **over}


def test_what_was_written_is_read() -> None:
    """Slots, pictures, what is replaced; and a template without any of them."""
    assert Template.parse(DATA) == ONE
    plain = Template(platform="weibo", connector="weibo/1", operation=Operation.PUBLISH, account="1", fields={})
    assert Template.parse(plain.to_bytes()) == plain


MEDIA = ONE.value()["media"][0]
SPOILT: list[dict[str, Any]] = [
    *({name: [0]} for name in ONE.value()), *({name: 5} for name in ONE.value() if name != "v"), *({name: None} for name in ONE.value() if name != "previous"),
    {"v": 2}, {"v": True}, {"v": 0}, {"more": ""}, {"operation": "delete"}, {"fields": {"title": "x"}}, {"fields": {"title": [1]}},
    {"fields": {"title": [{}]}}, {"fields": {"title": [{"text": 1}]}}, {"fields": {"title": [{"text": "x", "more": ""}]}},
    {"fields": {"title": [{"slot": "body"}]}}, {"fields": {"title": [{"sha256": D}]}}, {"fields": {"title": [{"slot": "body", "sha256": "sha256:0"}]}},
    {"fields": {"title": [{"slot": "body", "sha256": D, "text": ""}]}}, {"fields": {"title": [["text", "x"]]}},
    {"media": {}}, {"media": [None]}, {"media": [{**MEDIA, "length": "7"}]}, {"media": [{**MEDIA, "length": True}]}, {"media": [{**MEDIA, "sha256": "x"}]},
    {"media": [{**MEDIA, "more": 1}]}, {"media": [{name: item for name, item in MEDIA.items() if name != "role"}]},
    {"previous": {"id": "1", "url": "u"}}, {"previous": {"id": 1, "url": "u", "digest": D}}, {"previous": {"id": "1", "url": "u", "digest": "x"}},
    {"previous": {"id": "1", "url": "u", "digest": D, "more": ""}}, {"previous": {}}, {"previous": ""},
]


@pytest.mark.parametrize("over", SPOILT, ids=str)
def test_another_shape_is_refused(over: dict[str, Any]) -> None:
    """A member of another type or form, an unknown one, and another version."""
    with pytest.raises(NotCanonical):
        Template.parse(canonical.encode(value(**over)))


@pytest.mark.parametrize("name", ONE.value())
def test_a_missing_member_is_refused(name: str) -> None:
    """Each is needed, those that may be null too."""
    with pytest.raises(NotCanonical):
        Template.parse(canonical.encode({key: item for key, item in ONE.value().items() if key != name}))


@pytest.mark.parametrize("data", [
    b"", b"null", b"[]", b"[" * 100_000, b"\xef\xbb\xbf" + DATA, DATA + b"\n", b" " + DATA, DATA[:-1], DATA.replace(b'"v":1', b'"v":1.0'),
    DATA.replace(b'"v":1', b'"v":1,"v":1'), DATA.replace(b'"length":7', b'"length":7e0'), DATA.replace(b'"length":7', b'"length":9007199254740992'),
    DATA.replace(b'"length":7', b'"length":07'), DATA.replace(b'"length":7', b'"length":-7'), DATA.replace("换".encode(), b"\\u6362"), DATA.replace("换".encode(), b"\\ud800"),
    DATA.replace("换".encode(), b"\xed\xa0\x80"), DATA.replace("换".encode(), b"\xff"), DATA.replace("换".encode(), b"\xc0\xaf"),
    DATA.replace(b'"gh_1"', b'"gh_\\u0031"'), DATA.replace(b'"title"', '"题"'.encode()), DATA.replace(b'{"account"', b'{"aa":1,"account"'),
    DATA.replace(b'"account":"gh_1",', b"").replace(b'"v":1', b'"v":1,"account":"gh_1"'),
], ids=range(23))
def test_another_spelling_is_refused(data: bytes) -> None:
    """Two readers never see two templates in the same bytes, and no two byte strings are one template."""
    with pytest.raises(NotCanonical):
        Template.parse(data)


def test_a_template_has_a_size() -> None:
    """One MiB is read, a byte more is not."""
    room = TEMPLATE_LIMIT - len(Template(platform="a", connector="b", operation=Operation.PUBLISH, account="c", fields={"t": ("",)}).to_bytes())
    fits = Template(platform="a", connector="b", operation=Operation.PUBLISH, account="c", fields={"t": ("x" * room,)})
    assert Template.parse(fits.to_bytes()) == fits
    with pytest.raises(NotCanonical):
        Template.parse(Template(platform="a", connector="b", operation=Operation.PUBLISH, account="c", fields={"t": ("x" * (room + 1),)}).to_bytes())


@given(st.binary(min_size=1, max_size=4), st.integers(0, len(DATA) - 1))
def test_whatever_is_read_has_the_bytes_it_was_read_from(noise: bytes, at: int) -> None:
    """A template that comes out of spoilt bytes spells them again, and the general reader agrees with them."""
    data = DATA[:at] + noise + DATA[at + len(noise):]
    try:
        read = Template.parse(data)
    except NotCanonical:
        return
    assert read.to_bytes() == data
    assert canonical.parse(data) == read.value()
