"""The glossary and the code say the same words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from gateway.checks import finding
from gateway.enforcer.views import ENTRY_WORDS
from gateway.machine.policy import RULES
from gateway.machine.state import Office, PublicationState, SubmissionState
from gateway.protocol.commands import Grade
from gateway.protocol.denials import CATALOGUE
from gateway.protocol.entries import EntryType
from gateway.protocol.offices import OFFICE_WORDS
from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "glossary.md"
CATALOGUES = [ROOT / "gateway" / "enforcer" / "counter" / "words" / "zh.json", ROOT / "gateway" / "desk" / "words" / "zh.json"]
EXTENSION = ROOT / "extension" / "_locales" / "zh_CN" / "messages.json"


def _table(heading: str) -> list[list[str]]:
    return pages.rows(pages.section(PAGE, heading))


def _first(cells: list[str]) -> str:
    return cells[0].strip("`")


def test_offices_have_their_screen_words() -> None:
    """Every office stands in the table with the words that pages show."""
    assert {_first(row): row[1] for row in _table("Offices")} == {office.value: OFFICE_WORDS[office][0] for office in Office}


def test_states_are_whole() -> None:
    """Every state of a submission and of a publication stands in its table with the word that the desk shows."""
    states = _table("States")
    assert [_first(row) for row in states] == [*(s.value for s in SubmissionState), *(s.value for s in PublicationState)]
    shown = json.loads(CATALOGUES[1].read_text(encoding="utf-8"))
    assert {_first(row): row[1] for row in states} == {_first(row): shown[f"state.{_first(row)}"] for row in states}


def test_grades_are_whole() -> None:
    """Every grade of a request stands in the table, and every grade of a finding is named."""
    assert [_first(row) for row in _table("Grades")] == [grade.name for grade in Grade]
    named = pages.codes(pages.section(PAGE, "Grades"))
    assert set(finding.GRADES) <= set(named)


def _cited() -> set[str]:
    """Return every rule id that code cites as a text of its own."""
    return {
        found for folder in ("gateway/machine", "gateway/protocol", "gateway/checks", "gateway/enforcer")
        for path in (ROOT / folder).rglob("*.py") for found in re.findall(r'"(R\d+(?:\.\d+[a-z]?)?)"', path.read_text(encoding="utf-8"))
    }


def test_rule_ids_are_whole() -> None:
    """Every rule id of denials, routes and checks stands in the table, and nothing else does."""
    listed = {_first(row) for row in _table("Rule ids")}
    assert {words.rule for words in CATALOGUE.values()} | {rule.id for rule in RULES} <= listed
    assert listed == _cited()


def test_entry_types_have_their_screen_words() -> None:
    """Every entry type stands in the table with the words that pages show; its noun is a noun of the tables above."""
    listed = {_first(row): row[1] for row in _table("Entry types")}
    assert listed == {kind.value: ENTRY_WORDS[kind][0] for kind in EntryType}


def test_every_entry_noun_is_explained() -> None:
    """The noun before the dot of every entry type is explained among the nouns, in words or as code."""
    explained = " ".join(cell for row in _table("Nouns") for cell in row[:4]).lower()
    odd = {"attempt": "refusal", "counters": "denial", "enrolment": "factor", "recovery": "factor", "values": "value", "policy": "policy"}
    nouns = {kind.value.partition(".")[0] for kind in EntryType}
    assert {noun for noun in nouns if not re.search(rf"\b{odd.get(noun, noun)}\b", explained)} == set()


@pytest.mark.parametrize("row", _table("Nouns"), ids=lambda row: row[0])
def test_a_noun_is_where_the_glossary_says(row: list[str]) -> None:
    """The code name of a noun occurs in the file or folder it links to, or for a specification in the code at all."""
    (target,) = re.findall(r"\]\(([^)]+)\)", row[4])
    place = (PAGE.parent / target).resolve()
    for name in pages.codes(row[1]):
        if name.startswith("gateway."):
            assert place == ROOT / name.replace(".", "/")
            continue
        last = re.compile(rf"\b{re.escape(name.rpartition('.')[2])}\b")
        if place.suffix == ".md":
            sources = list((ROOT / "gateway").rglob("*.py"))
        else:
            sources = [place] if place.is_file() else list(place.rglob("*.py"))
        assert any(last.search(path.read_text(encoding="utf-8")) for path in sources), name


def _inside() -> list[str]:
    return pages.codes(pages.section(PAGE, "Words that stay inside").partition("this list")[2])


def _shown() -> list[str]:
    texts = [text for words in CATALOGUE.values() for text in (words.zh, words.zh_next)]
    texts += [zh for zh, _ in ENTRY_WORDS.values()] + [zh for zh, _ in OFFICE_WORDS.values()]
    texts += [rule.zh for rule in RULES]
    for path in CATALOGUES:
        texts += json.loads(path.read_text(encoding="utf-8")).values()
    texts += [entry["message"] for entry in json.loads(EXTENSION.read_text(encoding="utf-8")).values()]
    return texts


def test_internal_words_never_show() -> None:
    """No word that stays inside occurs in a Chinese catalogue."""
    inside, shown = _inside(), _shown()
    assert len(inside) > 20
    assert len(shown) > 150
    latin = re.compile(r"\b(?:" + "|".join(re.escape(word) for word in inside if word.isascii()) + r")s?\b", re.IGNORECASE)
    chinese = [word for word in inside if not word.isascii()]
    visible = [re.sub(r"\{[^{}]*\}", "", text) for text in shown]  # a placeholder's name does not show
    assert [text for text in visible if latin.search(text) or any(word in text for word in chinese)] == []


def test_the_internal_word_test_can_fail() -> None:
    """The list names the words this test would be blind without."""
    assert {"token", "digest", "enforcer", "哈希"} <= set(_inside())


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: Path(path).parts[-3])
def test_catalogues_have_both_languages(path: Path) -> None:
    """A Chinese catalogue and its English twin have the same keys, and no Chinese text is empty."""
    zh, en = (json.loads(path.with_name(name).read_text(encoding="utf-8")) for name in ("zh.json", "en.json"))
    assert zh.keys() == en.keys()
    assert [key for key, words in zh.items() if not words] == []
