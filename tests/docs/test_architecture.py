"""What architecture.md says of packages and imports, beyond the contracts that import-linter keeps."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.docs import pages
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "architecture.md"
SOURCES = [path for path in pages.files(".py") if path.is_relative_to(ROOT / "gateway") or path.is_relative_to(ROOT / "vault")]
CLOCKS = frozenset({"time.time", "time.monotonic", "datetime.now", "datetime.utcnow", "date.today", "random", "secrets", "os.urandom"})


def imports(path: Path) -> Iterator[str]:
    """Yield the full name of everything a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def who(prefix: str) -> set[str]:
    """Return the files that import something below `prefix`, by their path."""
    return {
        path.relative_to(ROOT).as_posix() for path in SOURCES
        if any(name == prefix or name.startswith(prefix + ".") for name in imports(path))
    }


def test_every_package_stands_in_the_table() -> None:
    """The table of packages names every package of the tree and no other."""
    listed = {match for row in pages.rows(pages.section(PAGE, "Packages")) for match in re.findall(r"\]\(\.\./([\w/.]+)\)", row[0])}
    packages = {path.parent.relative_to(ROOT).as_posix() for path in SOURCES if path.name == "__init__.py" and len(path.relative_to(ROOT).parts) <= 3}
    assert {name for name in listed if not name.endswith(".py")} == packages - {"gateway"}


def test_only_the_composition_root_names_a_connector() -> None:
    """A concrete connector is imported by the enforcer's app.py, by the demo's backdrop, and by its own package."""
    for platform in ("wechat", "weibo", "wordpress"):
        users = {path for path in who(f"gateway.connectors.{platform}") if not path.startswith(f"gateway/connectors/{platform}/")}
        assert users == {"gateway/enforcer/app.py", "gateway/demo/backdrop.py"}, platform


def test_only_the_enforcer_opens_the_vault() -> None:
    """Nothing outside the enforcer's package imports the vault, but the launcher, which only loads it before users are dropped, and the demo."""
    users = {path for path in who("vault") if not path.startswith(("vault/", "gateway/enforcer/"))}
    assert {path for path in users if not path.startswith("gateway/demo/")} <= {"gateway/launcher.py"}


def test_pure_packages_call_no_clock_and_no_randomness() -> None:
    """The packages that the table calls pure neither tell the time nor draw random numbers."""
    pure = ("gateway/canonical.py", "gateway/content", "gateway/protocol", "gateway/machine", "gateway/checks")
    found = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(pure):
            calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)}
            found += [(name, call) for call in calls if call in CLOCKS or call.partition(".")[0] in {"random", "secrets", "open"}]
    assert found == []


def test_no_drawer_for_everything() -> None:
    """No module is called utils, helpers, common or manager."""
    assert [path for path in SOURCES if re.fullmatch(r"(utils?|helpers?|common|manager)\.py", path.name)] == []
