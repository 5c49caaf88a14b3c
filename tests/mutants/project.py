"""What is measured: which modules, by which tests, in a copy of the tree that other work cannot change under it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
COPIED = ("gateway", "vault", "tests", "docs", ".ci", "pyproject.toml", "Makefile")
GROUPS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("vault/dsse.py",), ("tests/vault/test_dsse*.py", "tests/vault/test_vectors.py")),
    (("gateway/protocol/claims.py", "gateway/protocol/statements.py"), ("tests/gateway/protocol/test_*.py",)),
    (("gateway/canonical.py",), ("tests/gateway/test_canonical.py", "tests/gateway/test_content.py", "tests/gateway/machine/test_vectors.py")),
    (("gateway/machine/**/*.py",), tuple(f"tests/gateway/machine/test_{part}*.py" for part in ("[!rt]", "r[!a]", "t[!w]"))),  # all but the random ones
    (("gateway/enforcer/gate.py",), ("tests/gateway/enforcer/test_gate*.py",)),
)


def copy_tree(root: Path) -> None:
    """Copy what the tests read."""
    root.mkdir(parents=True)
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("node_modules", "__pycache__", "pictures"))
        elif (ROOT / name).exists():
            shutil.copy2(ROOT / name, root / name)


def groups(root: Path, only: Sequence[str] | None) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the modules and the test files of each group, relative to `root`."""
    for targets, tests in GROUPS:
        modules = _found(root, targets)
        if only is not None:
            modules = [module for module in modules if any(Path(module).is_relative_to(path) for path in only)]
        if modules:
            yield modules, _found(root, tests)


def _found(root: Path, patterns: Sequence[str]) -> list[str]:
    return sorted({str(path.relative_to(root)) for pattern in patterns for path in root.glob(pattern)})


def measure(
    root: Path, targets: Sequence[str], tests: Sequence[str], *, jobs: int = 1, only: list[str] | None = None,
    first: Sequence[str] = (), killers: dict[str, dict[str, int]] | None = None, step: int = 1,
    budget: float = 1e9, minutes: float = 1e9, inside: bool = False,
) -> dict[str, Any]:
    """Plant the bugs of `targets` into the tree at `root`, which holds this package, and return what the tests said of each.

    Raises:
        RuntimeError: the tests of the unchanged tree cannot be collected.
    """
    results = root.parent / "results.jsonl"
    results.unlink(missing_ok=True)
    plan = {"root": str(root), "targets": list(targets), "tests": list(tests), "jobs": jobs, "only": only, "first": list(first), "killers": killers or {}, "step": step,
            "budget": budget, "minutes": minutes, "inside": inside, "results": str(results)}
    file = root.parent / "plan.json"
    file.write_text(json.dumps(plan))
    words = root.parent / "pytest.log"
    with words.open("w") as log:
        subprocess.run([sys.executable, "-m", "tests.mutants.runner", str(file)], cwd=root, stderr=log, check=False)
    lines = [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()] if results.exists() else []
    if not lines or "failing" not in lines[-1]:
        raise RuntimeError(words.read_text(errors="replace")[-3000:])
    return {"failing": lines.pop()["failing"], "results": lines}
