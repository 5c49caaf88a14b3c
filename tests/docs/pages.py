"""Reading the repository's own pages: which there are, their links, headings, tables and code blocks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
MADE: Final = frozenset({
    ".git", ".venv", "build", "demo-data", "node_modules", "__pycache__", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache",
    ".import_linter_cache", "qianfa.egg-info",
})
"""Folders that are made and never committed."""

_FENCE: Final = re.compile(r"^ *(`{3,})([^\n`]*)\n(.*?)^ *\1[ \t]*$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(!?)\[[^\]\n]*\]\(([^()\s]+(?:\([^()\s]*\))?[^()\s]*)\)")
_CODE: Final = re.compile(r"`([^`\n]+)`")


@dataclass(frozen=True, slots=True)
class Link:
    """A link of a page: where it stands, where it points to, and whether it shows a picture."""

    page: Path
    target: str
    picture: bool


def files(*suffixes: str) -> Iterator[Path]:
    """Yield every file of the repository that somebody wrote, with one of `suffixes` (all without any), in order."""
    def walk(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.name in MADE or path.is_symlink():
                continue
            if path.is_dir():
                yield from walk(path)
            elif not suffixes or path.name.endswith(suffixes):
                yield path

    yield from walk(ROOT)


def pages() -> list[Path]:
    """Return every Markdown page."""
    return list(files(".md"))


@cache
def text(path: Path) -> str:
    """Return a page's text."""
    return path.read_text(encoding="utf-8")


def prose(path: Path) -> str:
    """Return a page without its code blocks."""
    return _FENCE.sub("", text(path))


def blocks(path: Path) -> list[tuple[str, str]]:
    """Return the code blocks of a page as (language, text)."""
    return [(match[2].strip(), match[3]) for match in _FENCE.finditer(text(path))]


def links(path: Path) -> list[Link]:
    """Return the links of a page, those in code left out."""
    return [Link(path, match[2], match[1] == "!") for match in _LINK.finditer(_CODE.sub("", prose(path)))]


def codes(words: str) -> list[str]:
    """Return what stands between single backticks in `words`, in order."""
    return _CODE.findall(words)


def headings(path: Path) -> list[str]:
    """Return the headings of a page with their marks, such as `## States`."""
    return re.findall(r"^#{1,6} .+$", prose(path), re.MULTILINE)


def anchors(path: Path) -> set[str]:
    """Return the fragment names that a page's headings get (GitHub's way)."""
    names = (re.sub(r"[^\w\- ]", "", heading.lstrip("#").strip().lower()).replace(" ", "-") for heading in headings(path))
    return set(names)


def section(path: Path, heading: str) -> str:
    """Return the text under a heading whose words begin with `heading`, up to the next of the same or a higher level.

    Raises:
        LookupError: there is none.
    """
    body = text(path)
    found = re.search(rf"^(#+) (?:\d+\. )?{re.escape(heading)}.*$", body, re.MULTILINE)
    if found is None:
        raise LookupError(f"{path.name} has no heading {heading}")
    rest = body[found.end():]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(words: str) -> list[list[str]]:
    """Return the cells of every table row in `words`; header and rule lines are left out."""
    found: list[list[str]] = []
    lines = words.splitlines()
    for index, line in enumerate(lines):
        if not line.startswith("|") or set(line) <= set("|-: "):
            continue
        if index + 1 < len(lines) and lines[index + 1].startswith("|") and set(lines[index + 1]) <= set("|-: "):
            continue  # the header
        found.append([cell.strip() for cell in line.strip().strip("|").split("|")])
    return found


@cache
def functions(path: Path) -> frozenset[str]:
    """Return the names of all functions in a Python file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def targets() -> frozenset[str]:
    """Return the targets of the Makefile."""
    return frozenset(re.findall(r"^([a-z][a-z-]*):", text(ROOT / "Makefile"), re.MULTILINE))
