"""One pytest process that collects once and then forks a child for each planted bug: `python -m tests.mutants.runner PLAN.json`.

A bug inside a function is planted after collection, by giving the function new code; a bug in what runs at import is planted before
anything of ours is imported, through an import hook. The child runs the tests that execute the changed line, likely killers first,
and stops at the first failure. Before that, one child measures which test runs which line.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib.machinery
import importlib.util
import itertools
import json
import math
import os
import resource
import select
import shutil
import signal
import sys
import tempfile
import time
import types
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import coverage
import pytest

from tests.mutants.operators import Mutant, mutants

MEMORY = 3 * 2**30
STRIDE = 11
LIKELY = 10
"""So many likely tests go first, then those that were written for planted bugs, then the others."""
WALL = 60, 10
"""Seconds, and seconds for each that its tests take without a bug, after which a child that waits for something is ended."""
Planted = tuple[Mutant, Callable[[], ast.Module]]


@dataclass(slots=True)
class Plan:
    """What to do, as the command writes it: `root` is a copy of the project, which stays unchanged; paths are relative to it."""

    root: str
    targets: list[str]
    tests: list[str]
    jobs: int
    only: list[str] | None = None
    """The keys of the mutants to run; None runs all."""
    first: list[str] = field(default_factory=list)
    killers: dict[str, dict[str, int]] = field(default_factory=dict)
    """Which tests an earlier run found to see bugs of which function (path and qualified name), and how many."""
    step: int = 1
    budget: float = 1e9
    """Processor seconds of unchanged tests that one bug is given, likely killers first; the committed vectors come on top."""
    minutes: float = 1e9
    """After these no more bugs are planted; the rest is `not run`. Bugs are taken in an order that spreads over every module."""
    inside: bool = False
    """Only bugs inside functions: those in what runs at import cost a collection each."""
    results: str = "results.jsonl"


@dataclass(slots=True)
class Measured:
    """What the unchanged code's run says: green tests with their seconds, who runs which line, and which lines run at import."""

    seconds: dict[str, float] = field(default_factory=dict)
    failing: list[str] = field(default_factory=list)
    runs: dict[str, dict[int, list[str]]] = field(default_factory=dict)
    foreign: list[str] = field(default_factory=list)


class Planter:
    """The pytest plugin that does all this; `role` says what this process is."""

    def __init__(self, plan: Plan, progress: int) -> None:
        self.plan = plan
        self.progress = progress
        self.role: str | Planted = "server"
        self.begun = time.monotonic()
        self.answer = -1
        self.measured = Measured()
        self.killers: dict[str, Counter[str]] = defaultdict(Counter, {where: Counter(tests) for where, tests in plan.killers.items()})
        self.warm: list[Planted] = []
        self.reach: dict[tuple[str, str], tuple[int, int]] = {}
        self.rarities: dict[str, dict[str, Counter[str]]] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Measure, then plant the bugs in what runs at import; then let this process collect for the others."""
        _calm_hypothesis()
        session.config.args = [str(Path(self.plan.root, test)) for test in self.plan.tests]
        if self._in_child("measure"):
            self._start_coverage()
            return
        for name in self.measured.foreign:
            _preload(name)
        cold, self.warm = self._sorted()
        if self.plan.inside:
            for mutant, _ in cold:
                self._note(mutant, "not run", "")
            cold = []
        left = self.plan.minutes - (time.monotonic() - self.begun) / 60
        self.shares = [left * len(cold) / max(1, len(cold) + len(self.warm)), left * len(self.warm) / max(1, len(cold) + len(self.warm))]
        os.write(self.progress, f"\n{len(cold)} at import, {len(self.warm)} in functions\n".encode())
        if self._pool(cold, self.shares[0]):
            _hook_in(self.role[0].path, self._compiled(self.role), self.plan.root)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run what this process was made for."""
        if self.role == "measure":
            self._measure(session)
        if self.role == "server":
            assert not session.testsfailed, "the unchanged code does not collect"
            self.functions = _functions({str(Path(self.plan.root, target)) for target in self.plan.targets})
            if not self._pool(self.warm, self.shares[1]):
                self._keep({"failing": self.measured.failing})
                return True
            self._replace_code(self.role)
        return self._judge(session, self.role)

    def _sorted(self) -> tuple[list[Planted], list[Planted]]:
        cold, warm = [], []
        for target in self.plan.targets:
            imported = {line for line, names in self.measured.runs.get(target, {}).items() if "import" in names}
            source = Path(self.plan.root, target).read_text(encoding="utf-8")
            called = {line for line, body in _bodies(source).items() if not imported.isdisjoint(body)}
            planted = mutants(source, target)
            for mutant, _ in planted:
                if mutant.owner is not None:
                    first, last = self.reach.get((target, mutant.where), mutant.span)
                    self.reach[target, mutant.where] = (min(first, mutant.span[0]), max(last, mutant.span[1] + 1))
            for mutant, tree in planted[::self.plan.step]:
                if self.plan.only is None or mutant.key in self.plan.only:
                    inside = mutant.owner is not None and mutant.owner[1] not in called and imported.isdisjoint(range(mutant.span[0], mutant.span[1] + 1))
                    (warm if inside else cold).append((mutant, tree))
        return cold, warm

    # -- processes

    def _fork(self) -> int | None:
        """Return the pipe to read the child's answer from, and in the child None."""
        reading, writing = os.pipe()
        self.child = os.fork()
        if self.child:
            os.close(writing)
            return reading
        os.close(reading)
        self.answer = writing
        return None

    def _in_child(self, role: str) -> bool:
        reading = self._fork()
        if reading is None:
            self.role = role
            self._use_place()
            return True
        with os.fdopen(reading) as pipe:
            answer = pipe.read()
        os.waitpid(self.child, 0)
        shutil.rmtree(self._place(self.child), ignore_errors=True)
        measured = json.loads(answer)
        measured["runs"] = {path: {int(line): names for line, names in lines.items()} for path, lines in measured["runs"].items()}
        self.measured = Measured(**measured)
        return False

    def _pool(self, waiting: list[Planted], minutes: float) -> bool:
        """Fork a child for each bug, `jobs` at a time. Return True in a child, False in this process when all are done."""
        running: dict[int, tuple[Mutant, int, float, list[bytes]]] = {}
        end = time.monotonic() + 60 * minutes
        spread = [planted for start in range(STRIDE) for planted in waiting[start::STRIDE]]
        queue = sorted(spread, key=lambda planted: planted[0].key not in self.plan.first)[::-1]
        while queue or running:
            while queue and len(running) < self.plan.jobs:
                planted = queue.pop()
                if time.monotonic() > end:
                    self._note(planted[0], "not run", "")
                    continue
                tests = self._tests(planted[0])
                if not tests:
                    self._note(planted[0], "survived", "no test runs this line")
                    continue
                reading = self._fork()
                if reading is None:
                    self.role = planted
                    self._use_place()
                    seconds = math.ceil(time.process_time() + 20 + 5 * self._seconds(tests))
                    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
                    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                    return True
                running[reading] = (planted[0], self.child, time.monotonic() + WALL[0] + WALL[1] * self._seconds(tests), [])
            for reading in select.select(list(running), [], [], 1.0)[0]:
                text = os.read(reading, 65536)
                running[reading][3].append(text)
                if not text:
                    self._reap(*running.pop(reading), reading)
            for reading in [reading for reading, entry in running.items() if time.monotonic() > entry[2]]:
                mutant, child, _, _ = running.pop(reading)
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                shutil.rmtree(self._place(child), ignore_errors=True)
                os.close(reading)
                self._note(mutant, "timeout", "")
        return False

    def _seconds(self, tests: list[str]) -> float:
        return sum(self.measured.seconds[test] for test in tests)

    def _use_place(self) -> None:
        """Give this process a folder for its temporary files: it ends without clearing up, and the server removes the folder."""
        tempfile.tempdir = os.environ["TMPDIR"] = str(self._place(os.getpid()))
        Path(tempfile.tempdir).mkdir()

    def _place(self, process: int) -> Path:
        return Path(self.plan.results).parent / f"p{process}"

    def _reap(self, mutant: Mutant, child: int, _: float, texts: list[bytes], reading: int) -> None:
        os.close(reading)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        shutil.rmtree(self._place(child), ignore_errors=True)
        lost = ["timeout" if ended in {-signal.SIGKILL, -signal.SIGXCPU} else "killed", f"the process ended with {ended}"]
        status, by = json.loads(b"".join(texts)) if texts != [b""] else lost
        if status == "killed":
            self.killers[mutant.path + mutant.where][by] += 1
        self._note(mutant, status, by)

    def _note(self, mutant: Mutant, status: str, by: str) -> None:
        self._keep({**asdict(mutant), "key": mutant.key, "status": status, "by": by})
        os.write(self.progress, {"killed": b".", "survived": b"S", "timeout": b"t", "not run": b""}.get(status, b"-"))

    def _keep(self, line: dict[str, Any]) -> None:
        """Write a line of results at once, so that a run can be read while it goes on; the last line says that it is whole."""
        with Path(self.plan.results).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _say(self, *answer: str) -> NoReturn:
        os.write(self.answer, json.dumps(answer).encode())
        os._exit(0)

    # -- in the measuring child

    def _start_coverage(self) -> None:
        self.coverage = coverage.Coverage(data_file=None, config_file=False, include=[str(Path(self.plan.root, t)) for t in self.plan.targets])
        self.coverage.start()
        self.coverage.switch_context("import")
        for target in self.plan.targets:
            importlib.import_module(_module(target))
        self.coverage.switch_context("collection")

    def _measure(self, session: pytest.Session) -> NoReturn:
        found, caches = Measured(), _caches({str(Path(self.plan.root, target)) for target in self.plan.targets})
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            for cache in caches:
                cache.cache_clear()  # else only the first test to ask would be seen to run the function
            self.coverage.switch_context(item.nodeid)
            failed, begun = session.testsfailed, time.process_time()
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed > failed:
                found.failing.append(item.nodeid)
            else:
                found.seconds[item.nodeid] = time.process_time() - begun
        self.coverage.stop()
        data = self.coverage.get_data()
        for target in self.plan.targets:
            found.runs[target] = dict(data.contexts_by_lineno(str(Path(self.plan.root, target))))
        inside = tuple({*self.plan.targets, *self.plan.tests, "gateway", "vault", "tests"})
        found.foreign = [name for name in sys.modules if not name.startswith(tuple(path.split("/")[0].removesuffix(".py") for path in inside))]
        text = json.dumps(asdict(found)).encode()
        while text:
            text = text[os.write(self.answer, text):]
        os._exit(0)

    # -- in a child with a bug

    def _tests(self, mutant: Mutant) -> list[str]:
        lines = self.measured.runs.get(mutant.path, {})
        names = {name for line in range(mutant.span[0], mutant.span[1] + 1) for name in lines.get(line, ())}
        chosen = set(self.measured.seconds) if "import" in names or mutant.owner is None else names & set(self.measured.seconds)
        killers, rarity = self.killers[mutant.path + mutant.where], self._rarity(mutant, lines)
        worth = {name: rarity[name] / (self.measured.seconds[name] + 0.002) for name in chosen}
        ordered = sorted(chosen, key=lambda name: (-killers[name], "tables" not in name, -worth[name], self.measured.seconds[name]))
        made = [name for name in ordered[LIKELY:] if "test_mutants" in name]
        ordered = [*ordered[:LIKELY], *made, *(name for name in ordered[LIKELY:] if "test_mutants" not in name)]
        ends = list(itertools.accumulate(self.measured.seconds[name] for name in ordered))
        affordable = {name for name, end in zip(ordered, ends, strict=True) if end <= self.plan.budget}
        return [name for name in ordered if name in affordable or "test_vectors" in name] or ordered[:1]

    def _rarity(self, mutant: Mutant, lines: dict[int, list[str]]) -> Counter[str]:
        """Weigh tests by the lines of this function that few others run: who knows its odd corners sees more than who passes through."""
        if mutant.where not in self.rarities.setdefault(mutant.path, {}):
            weights: Counter[str] = Counter()
            for line in range(*self.reach.get((mutant.path, mutant.where), (0, 0))):
                for name in lines.get(line, ()):
                    weights[name] += 1 / len(lines[line])
            self.rarities[mutant.path][mutant.where] = weights
        return self.rarities[mutant.path][mutant.where]

    def _replace_code(self, planted: Planted) -> None:
        mutant = planted[0]
        path = str(Path(self.plan.root, mutant.path))
        module = self._compiled(planted)
        (new,) = [code for code in _codes(module) if (code.co_qualname, code.co_firstlineno) == mutant.owner]
        for function in self.functions[path, *mutant.owner]:
            function.__code__ = new

    def _compiled(self, planted: Planted) -> types.CodeType:
        mutant, tree = planted
        try:
            return compile(tree(), str(Path(self.plan.root, mutant.path)), "exec", dont_inherit=True)
        except (SyntaxError, ValueError, TypeError) as error:
            self._say("invalid", str(error))

    def _judge(self, session: pytest.Session, planted: Planted) -> NoReturn:
        if session.testsfailed:
            self._say("killed", "collection")
        items = {item.nodeid: item for item in session.items}
        chosen = [items[name] for name in self._tests(planted[0]) if name in items]
        if len(chosen) < len(self._tests(planted[0])):
            self._say("killed", "collection")  # a test was not even made
        for item, following in zip(chosen, [*chosen[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                self._say("killed", item.nodeid)
        self._say("survived", "")


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _bodies(source: str) -> dict[int, range]:
    """Return the lines of each function's body by its first line: what runs at import may have made functions that keep their code."""
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {
        min([node.lineno, *(one.lineno for one in node.decorator_list)]): range(node.body[0].lineno, (node.end_lineno or node.lineno) + 1)
        for node in functions
    }


def _functions(paths: set[str]) -> dict[tuple[str, str, int], list[types.FunctionType]]:
    found: dict[tuple[str, str, int], list[types.FunctionType]] = defaultdict(list)
    for function in gc.get_objects():
        if type(function) is types.FunctionType and function.__code__.co_filename in paths:
            code = function.__code__
            found[code.co_filename, code.co_qualname, code.co_firstlineno].append(function)
    return dict(found)


def _caches(paths: set[str]) -> list[functools._lru_cache_wrapper[Any]]:
    found = [cache for cache in gc.get_objects() if isinstance(cache, functools._lru_cache_wrapper)]
    return [cache for cache in found if isinstance(cache.__wrapped__, types.FunctionType) and cache.__wrapped__.__code__.co_filename in paths]


def _calm_hypothesis() -> None:
    """The same examples each time, and no shrinking: pytest's plugin has imported it by now, and must be first."""
    from hypothesis import Phase, settings

    settings.register_profile("mutants", derandomize=True, database=None, phases=(Phase.explicit, Phase.generate))
    settings.load_profile("mutants")


def _preload(name: str) -> None:
    if name.partition(".")[0].startswith(("_", "pytest", "hypothesis")) or name in sys.modules:
        return
    try:
        importlib.import_module(name)
    except Exception:
        return  # it is only a head start


def _module(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _hook_in(path: str, code: types.CodeType, root: str) -> None:
    name = _module(path)

    class Loader(importlib.machinery.SourceFileLoader):
        def get_code(self, _: str) -> types.CodeType:
            return code

    class Finder:
        @staticmethod
        def find_spec(fullname: str, *_: object) -> importlib.machinery.ModuleSpec | None:
            file = str(Path(root, path))
            return importlib.util.spec_from_file_location(fullname, file, loader=Loader(fullname, file)) if fullname == name else None

    sys.meta_path.insert(0, Finder)


def main() -> None:
    """Run a plan; standard output gets one letter a bug, and pytest's own words go to standard error."""
    plan = Plan(**json.loads(Path(sys.argv[1]).read_text()))
    progress = os.dup(1)
    os.dup2(2, 1)
    os.nice(10)
    sys.path.insert(0, plan.root)
    planter = Planter(plan, progress)
    empty = Path(plan.root, "nothing")
    empty.mkdir(exist_ok=True)
    arguments = ["-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--rootdir", plan.root, str(empty)]
    mine = os.getpid()
    code = pytest.main(arguments, plugins=[planter])
    if os.getpid() != mine:
        planter._say("killed", "collection")
    sys.exit(0 if Path(plan.results).exists() else f"pytest ended early: {code}")


if __name__ == "__main__":
    main()
