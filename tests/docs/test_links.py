"""Every link leads somewhere."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest

from tests.docs import pages
from tests.docs.pages import ROOT, Link

LINKS = [link for page in pages.pages() for link in pages.links(page)]


def _local(link: Link) -> bool:
    return not re.match(r"[a-z][a-z0-9+.-]*:", link.target)


@pytest.mark.parametrize("link", [link for link in LINKS if _local(link)], ids=lambda link: f"{link.page.relative_to(ROOT)}-{link.target}")
def test_a_relative_link_leads_to_a_file_and_its_heading(link: Link) -> None:
    """A relative link names a file or folder of the repository, and its fragment one of the page's headings."""
    name, _, fragment = link.target.partition("#")
    target = (link.page.parent / unquote(name)).resolve() if name else link.page
    assert target.is_relative_to(ROOT)
    assert target.exists()
    if fragment:
        assert fragment in pages.anchors(target)


def test_pictures_are_files_of_the_repository() -> None:
    """A picture in a page is a PNG under docs/pictures; none is loaded from elsewhere."""
    for link in LINKS:
        if link.picture:
            target = (link.page.parent / link.target).resolve()
            assert target.parent == ROOT / "docs" / "pictures"
            assert target.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_addresses_outside_are_https() -> None:
    """An address outside the repository is https."""
    outside = [link.target for link in LINKS if not _local(link)]
    assert outside
    assert [target for target in outside if not target.startswith("https://")] == []


def test_every_page_is_reached_from_the_readme() -> None:
    """Whoever follows links from README.md sees every page under docs."""
    seen, queue = set(), [ROOT / "README.md"]
    while queue:
        page = queue.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in pages.links(page):
            target = (page.parent / unquote(link.target.partition("#")[0])).resolve()
            if _local(link) and target.is_dir() and (target / "README.md").exists():
                target /= "README.md"
            if _local(link) and target.suffix == ".md" and target.is_file():
                queue.append(target)
    assert [page for page in pages.pages() if page.is_relative_to(ROOT / "docs") and page not in seen] == []


def test_the_list_of_decisions_is_whole() -> None:
    """docs/adr/README.md lists every record, in order, with its own title; each record says what was refused."""
    folder = ROOT / "docs" / "adr"
    records = sorted(folder.glob("[0-9]*.md"))
    listed = [(cells[0], cells[1]) for cells in pages.rows(pages.text(folder / "README.md"))]
    assert listed == [(f"[{record.name[:4]}]({record.name})", pages.headings(record)[0][len("# 0000. "):]) for record in records]
    for number, record in enumerate(records, start=1):
        assert record.name.startswith(f"{number:04}-")
        assert pages.headings(record)[0].startswith(f"# {number:04}. ")
        assert pages.headings(record)[1:] == ["## Context", "## Decision", "## What we refused", "## Consequences"]
        assert len(pages.text(record).splitlines()) <= 60
        assert pages.section(record, "What we refused").count("\n- **") >= 2
