"""Places in a body: the same plain text as the recogniser's, words replaced where they stand and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.content import escape_text, recognise
from gateway.content.places import Change, NotThere, locate, places, replace

BODY = (
    '<h2>一、进展</h2><p>更换了<strong>4.2</strong>公里 &amp; 阀门<br>3&lt;5</p><p> </p><ul><li>甲</li><li>乙<img alt="" src="media:sha256:'
    + "0" * 64 + '"></li></ul><pre>一\n二</pre>尾'
)


def change(quote: str, words: str, body: str = BODY, nth: int = 0) -> Change:
    """Return the change of the nth `quote` of a body's plain text."""
    start = -1
    for _ in range(nth + 1):
        start = recognise(body).text.index(quote, start + 1)
    return Change(start=start, quote=quote, replace_with=words)


def test_the_text_is_the_recognisers_and_each_character_has_its_spelling() -> None:
    """Text and spans go together; a character's span spells it, and only ends of lines have none."""
    known = places(BODY)
    assert known.text == recognise(BODY).text
    assert len(known.spans) == len(known.text)
    for character, span in zip(known.text, known.spans, strict=True):
        assert character == "\n" if span is None else BODY[slice(*span)] == escape_text(character)


@given(st.lists(st.one_of(st.sampled_from(["<p>", "</p>", "<br>", "<b>", "</b>", "\n", " ", "&amp;", "&lt;"]), st.text("甲乙a", max_size=3)), max_size=20))
def test_the_text_is_the_recognisers_for_any_normal_body(parts: list[str]) -> None:
    """Whatever the recogniser accepts has the same plain text here."""
    body = "".join(parts)
    try:
        seen = recognise(body)
    except ValueError:
        return
    assert places(body).text == seen.text


def test_words_are_replaced_within_and_across_elements() -> None:
    """Tags stay; the new words stand where the old ones began; what was escaped is escaped again."""
    assert "<strong>4.3</strong>公里" in replace(BODY, [change("4.2", "4.3")])
    made = replace(BODY, [change("了4.2公", "了共5公")])
    assert "更换了共5公<strong></strong>里" in made
    assert recognise(made).text == recognise(BODY).text.replace("了4.2公", "了共5公")
    assert "5&gt;3" in replace(BODY, [change("3<5", "5>3")])
    assert "<li></li>" in replace(BODY, [change("甲", "")])


def test_several_changes_are_made_from_the_offsets_of_the_old_text() -> None:
    """Offsets are those of what was sent back, however the earlier changes move the later places."""
    made = replace(BODY, [change("4.2", "十又二分之一"), change("乙", "丙")])
    assert "十又二分之一" in made
    assert "<li>丙<img" in made


@pytest.mark.parametrize("changes", [
    [Change(start=0, quote="不在", replace_with="x")], [Change(start=0, quote="", replace_with="x")], [Change(start=-1, quote="尾", replace_with="x")],
    [change("一、进展\n更", "x")], [change("尾", " ")], [change("尾", "a\u200b")], [change("4.2", "1"), change("2公", "2")],
    [change("一\n二", "x")], [Change(start=10_000, quote="x", replace_with="y")],
])
def test_what_cannot_be_replaced_is_refused(changes: list[Change]) -> None:
    """Words that are not there, lines that would be joined, overlaps, and outcomes that are not normal."""
    with pytest.raises(NotThere):
        replace(BODY, changes)


def test_a_quote_is_found_at_its_place_or_where_it_is_alone() -> None:
    """Its own place first, else the only occurrence; two others or none are no place."""
    assert locate("甲乙甲", "甲", 2) == 2
    assert locate("丙甲乙", "甲", 0) == 1
    assert locate("甲乙甲", "甲", 1) is None
    assert locate("甲乙甲", "丁", 1) is None
    assert locate("甲乙甲", "乙", -5) == 1
    assert locate("甲", "", 0) is None
