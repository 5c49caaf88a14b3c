"""The threat model's rows and their proofs."""

from __future__ import annotations

import re

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "threat-model.md"
_PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
PROOFS = sorted(set(_PROOF.findall(pages.text(PAGE))))
ROWS = re.split(r"^### ", pages.section(PAGE, "Who has what"), flags=re.MULTILINE)[1:]


@pytest.mark.parametrize(("path", "name"), PROOFS, ids=str)
def test_a_proof_exists(path: str, name: str) -> None:
    """A linked proof is a test of that file."""
    assert name.startswith("test_")
    assert name in pages.functions(ROOT / path)


def test_every_row_of_the_design_is_there() -> None:
    """The six attackers of the design have a section each, and each says what they can and cannot."""
    titles = [row.splitlines()[0] for row in ROWS]
    assert len(titles) == len(set(titles)) == 6
    for row in ROWS:
        assert "**Can:**" in row
        assert "**Cannot**" in row


@pytest.mark.parametrize("row", ROWS, ids=[row.splitlines()[0] for row in ROWS])
def test_every_claim_has_a_proof_line(row: str) -> None:
    """Each thing an attacker cannot do carries its tests, or says plainly that there are none yet."""
    claims = re.split(r"^- ", row.partition("**Cannot**")[2], flags=re.MULTILINE)[1:]
    assert claims
    for claim in claims:
        found = re.search(r"proof: (.+)", claim, re.DOTALL)
        assert found is not None, claim
        assert _PROOF.search(found[1]) or found[1].startswith("none yet"), claim


def test_what_cannot_be_stopped_is_said() -> None:
    """The page names the four things that are detected and said instead."""
    words = pages.section(PAGE, "What cannot be stopped")
    for thing in ("back office", "root", "image", "platform"):
        assert thing in words
