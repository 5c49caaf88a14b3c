"""What the reference and the how-tos must name: denials, settings, metrics, make targets, commands."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import click
import pytest
from pydantic import BaseModel

from gateway import cli
from gateway.config import Listen, Notices, Settings, load
from gateway.log.checkpoint import parse_vkey
from gateway.machine.changes import SWITCHES
from tests.docs import pages
from tests.docs.pages import ROOT

HOWTO = ROOT / "docs" / "howto"
INSTALL = HOWTO / "install.md"
EXAMPLES = HOWTO / "examples"


def test_the_denials_page_is_what_the_generator_writes() -> None:
    """docs/reference/denials.md is byte for byte what the catalogue gives."""
    spec = importlib.util.spec_from_file_location("generate_denials", Path(__file__).with_name("generate_denials.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.TARGET.read_text(encoding="utf-8") == module.render()


@pytest.mark.parametrize(("model", "heading"), [(Settings, "Settings"), (Listen, "Listeners"), (Notices, "Notices")])
def test_every_setting_is_documented(model: type[BaseModel], heading: str) -> None:
    """install.md has a row for every field, none for anything else, and names the default where there is one."""
    listed = {row[0].strip("`"): row[1] for row in pages.rows(pages.section(INSTALL, heading).partition("\n### ")[0])}
    assert listed.keys() == model.model_fields.keys()
    for name, field in model.model_fields.items():
        if isinstance(field.default, str | int) and not isinstance(field.default, bool) and field.default != "":
            assert f"`{field.default}`" in listed[name], name


def test_switches_are_documented() -> None:
    """Every policy switch stands in the how-to of the lost phone or of the installation."""
    words = pages.text(INSTALL)
    assert [name for name in SWITCHES if f"`{name}`" not in words] == []


def test_the_example_settings_load(tmp_path: Path) -> None:
    """The example qianfa.toml is a whole live deployment."""
    path = tmp_path / "qianfa.toml"
    path.write_bytes((EXAMPLES / "qianfa.toml").read_bytes())
    settings = load(path)
    assert settings.kind == "live"
    assert settings.desk_url != settings.counter_url
    assert parse_vkey(settings.log_key).name == f"qianfa.{settings.deployment}"


def test_metrics_are_documented() -> None:
    """metrics.md has a row for every metric the enforcer and the desk export."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "gateway").rglob("*.py"))
    exported = set(re.findall(r'"(qianfa_[a-z_]+)"', source))
    assert exported
    listed = {re.sub(r"\{.*", "", row[0].strip("`")) for row in pages.rows(pages.text(HOWTO / "metrics.md")) if row[0].startswith("`qianfa_")}
    assert listed == exported


def _commands(group: click.Group, prefix: str = "qianfa") -> set[str]:
    found: set[str] = set()
    for name, command in group.commands.items():
        found |= _commands(command, f"{prefix} {name}") if isinstance(command, click.Group) else {f"{prefix} {name}"}
    return found


def _quoted() -> set[tuple[str, str]]:
    """Return every `make …` and `qianfa …` that a page tells the reader to run, with the page's name."""
    found = set()
    for page in pages.pages():
        spans = [*pages.codes(pages.prose(page)), *(line.strip().removeprefix("$ ") for language, block in pages.blocks(page)
                                                   if language in {"sh", "console", ""} for line in block.splitlines())]
        found |= {(span, page.name) for span in spans if re.match(r"(sudo )?(make|qianfa) ", span)}
    return {(span.removeprefix("sudo "), name) for span, name in found}


def test_every_make_target_exists() -> None:
    """A page names no make target that the Makefile does not have."""
    named = {(match[1], page) for span, page in _quoted() if (match := re.match(r"make (?:[A-Z]+=\S+ )*([a-z-]+)", span))}
    assert {"demo", "test"} <= {target for target, _ in named}
    assert {pair for pair in named if pair[0] not in pages.targets()} == set()


def test_every_command_exists() -> None:
    """A page names no `qianfa` command that the command line does not have, and every command stands in a page."""
    known, said = _commands(cli.main), {(span, page) for span, page in _quoted() if span.startswith("qianfa ")}
    groups = {command.rpartition(" ")[0] for command in known}
    wrong = {
        (span, page) for span, page in said
        if not any(re.match(re.escape(command) + r"(?:$|[ |])", span) for command in known | groups - {"qianfa"})
    }
    assert wrong == set()
    assert {command for command in known if not any(re.match(re.escape(command) + r"(?:$| )", span) for span, _ in said)} == set()
