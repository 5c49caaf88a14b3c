"""The two READMEs say the same in two languages."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs import pages
from tests.docs.pages import ROOT

EN, ZH = ROOT / "README.md", ROOT / "README.zh-CN.md"


def _levels(path: object) -> list[str]:
    return [heading.partition(" ")[0] for heading in pages.headings(path)]  # type: ignore[arg-type] # one of the two paths


def test_both_have_the_same_headings() -> None:
    """The two have as many headings, of the same levels in the same order."""
    assert _levels(EN) == _levels(ZH)


def test_both_have_the_same_commands() -> None:
    """The two have the same code blocks, byte for byte."""
    assert pages.blocks(EN) == pages.blocks(ZH)
    assert len(pages.blocks(EN)) >= 2


def test_both_link_the_same_pages_and_pictures() -> None:
    """The two link the same targets and show the same pictures, in the same order, apart from linking each other."""
    targets = [[(link.target, link.picture) for link in pages.links(page)] for page in (EN, ZH)]
    assert ("README.zh-CN.md", False) in targets[0]
    assert ("README.md", False) in targets[1]
    assert [t for t in targets[0] if not t[0].startswith("README")] == [t for t in targets[1] if not t[0].startswith("README")]


def test_the_beginning_is_short() -> None:
    """What it is stands in five lines under the title; pictures of counter, desk and extension follow before the first section."""
    for page in (EN, ZH):
        lead = pages.text(page).partition("\n## ")[0]
        assert len(lead.split("\n\n")[1].splitlines()) == 5, page.name
    shown = {Path(link.target).stem for link in pages.links(EN) if link.picture}
    assert shown == {"counter-1440", "counter-375", "desk-1440", "desk-375", "extension"}


def test_the_two_commands_stand_first() -> None:
    """The first code blocks are the demo and the test."""
    assert [block[1].strip().splitlines()[-1] for block in pages.blocks(EN)[:2]] == ["make demo", "make test"]


def test_chinese_is_chinese() -> None:
    """No paragraph of the Chinese README was left in English."""
    for paragraph in re.split(r"\n\s*\n", pages.prose(ZH)):
        words = re.sub(r"`[^`]*`|\([^)]*\)|!\[[^\]]*\]|<[^>]*>|[|\-#:]", "", paragraph).strip()
        if len(words) > 60:
            assert len(re.findall("[\u4e00-\u9fff]", words)) > len(words) / 4, paragraph
