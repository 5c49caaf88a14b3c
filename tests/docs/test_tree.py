"""What no file of the repository may hold: promises, registry hosts, paths of one machine."""

from __future__ import annotations

import re

from tests.docs import pages
from tests.docs.pages import ROOT

TEXTS = (
    ".py", ".md", ".js", ".ts", ".html", ".css", ".json", ".toml", ".sh", ".php", ".txt", ".lock", ".go", ".service", ".timer", ".conf", ".mako", ".cfg",
    ".ini", ".yml", ".yaml", "Makefile", "Caddyfile", ".gitignore",
)


def _whole(*halves: str) -> tuple[str, ...]:
    """Return words that are written here in halves, so that the search does not find itself."""
    return tuple(half.replace("_", "") for half in halves)


PROMISES = _whole("TO_DO", "FIX_ME", "X_XX")
HOSTS = _whole("pypi_.org", "python_hosted", "npm_js", "npm_mirror", "proxy.golang_.org", "sum.golang_.org", "deb.debian_.org")
PATHS = _whole("/wo_rk/", "/ro_ot/", "/ho_me/", "/opt/whe_els", "/tmp/ba_sh")


def _where(words: tuple[str, ...], pattern: str) -> list[str]:
    search = re.compile("|".join(pattern.format(re.escape(word)) for word in words))
    found = []
    for path in [*pages.files(*TEXTS), *(ROOT / ".ci").iterdir()]:
        if path.name.endswith(".min.js"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1):
            if search.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:120]}")
    return found


def test_nothing_is_promised_for_later() -> None:
    """No file holds a promise word: what is missing is said in the README or not at all."""
    assert _where(PROMISES, r"\b{}\b") == []


def test_no_registry_is_named() -> None:
    """No file names a package registry's host; where packages come from is the machine's setting."""
    assert _where(HOSTS, "{}") == []


def test_no_machine_is_named() -> None:
    """No file names a folder of the machine it was written on."""
    assert _where(PATHS, "{}") == []


def test_the_search_finds() -> None:
    """The search above sees what it looks for."""
    assert any("test_tree.py" in line for line in _where(("def test_the_search_finds",), "{}"))
    assert len(list(pages.files(*TEXTS))) > 200
