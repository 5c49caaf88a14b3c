"""One rule for where the settings are: what init wrote is found by every command that is given the same, and what is printed finds it too."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway import cli, commands, place
from gateway.config import SettingsWrong, load
from gateway.place import FILE, find, read, spelt
from tests.gateway.enforcer.house import found_house

FOUND = ("init", "--kind", "sandbox", "--company", "禾汀集团", "--founder", "何立群", "--founder", "许文澜", "--desk-url", "http://desk.localhost:8441",
         "--counter-url", "http://counter.localhost:8442")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """Let the two places where settings are looked for lie in this test's folder, and nobody else's be made into system users."""
    two = (tmp_path / "etc" / FILE, tmp_path / "lib" / FILE)
    for path in two:
        path.parent.mkdir()
    monkeypatch.setattr(place, "PLACES", two)
    monkeypatch.setattr(commands, "prepare_users", lambda _settings: None)
    return two


def run(*arguments: str) -> Result:
    """Run `qianfa` with these arguments."""
    return CliRunner().invoke(cli.main, list(arguments))


@pytest.mark.parametrize("given", [["--data", "{data}"], ["--data", "{data}", "--config", "{etc}"]])
def test_what_init_wrote_is_found_by_every_command_with_the_same_folder(tmp_path: Path, places: tuple[Path, Path], given: list[str]) -> None:
    """In the data folder or elsewhere, restored on a new machine too: `--data` and `--config` find it, and so do the two lines that init prints."""
    options = [option.format(data=tmp_path / "q", etc=places[0]) for option in given]
    done = run(*FOUND, *options)
    assert done.exit_code == 0, done.output
    written = places[0] if "--config" in given else tmp_path / "q" / FILE
    assert not written.is_symlink()
    for found in (("--data", str(tmp_path / "q")), ("--config", str(written))):
        told = run("doctor", *found)
        assert told.output.splitlines()[0] == f"设置 settings: {written}"
    printed = [shlex.split(line) for line in done.output.splitlines() if line.startswith("    ") and ("serve" in line or "doctor" in line)]
    assert len(printed) == 2
    for words in printed:
        options = words[words.index("serve" if "serve" in words else "doctor") + 1 :]
        assert find(Path(options[1]) if options else None, None).samefile(written)
    backup = run("backup", "--data", str(tmp_path / "q")).output.strip()
    (tmp_path / "q").rename(tmp_path / "gone")
    written.parent.mkdir(exist_ok=True)
    if not written.exists():
        written.write_bytes((tmp_path / "gone" / FILE).read_bytes())
    backup = backup.replace(str(tmp_path / "q"), str(tmp_path / "gone"))
    restored = run("restore", "--config", str(written), backup)
    assert (restored.exit_code, "no copy was here" in restored.output) == (0, True), restored.output
    assert run("doctor", "--data", str(tmp_path / "q")).output.splitlines()[0] == f"设置 settings: {written}"
    assert run(*FOUND, "--data", str(tmp_path / "q"), "--config", str(tmp_path / "other.toml")).exit_code == 1


def test_without_options_one_of_two_places_is_meant_and_never_the_working_folder(
    tmp_path: Path, places: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch,
) -> None:
    """None there: the data folder's is named as missing; one: that; both, one a link to the other: that; two different ones: refused by name."""
    (tmp_path / FILE).write_text("deployment = 'planted'")
    monkeypatch.chdir(tmp_path)
    etc, lib = places
    assert find(None, None) == lib
    missing = run("status")
    assert (missing.exit_code, str(lib) in missing.output, "planted" in missing.output) == (1, True, False)
    etc.write_text("")
    assert find(None, None) == etc
    lib.symlink_to(etc)
    assert find(None, None).samefile(etc)
    lib.unlink()
    lib.write_text("")
    with pytest.raises(SettingsWrong, match=str(lib)):
        find(None, None)
    with pytest.raises(SettingsWrong, match="both"):
        find(etc, lib.parent)
    etc.unlink()
    assert find(None, None) == lib


def test_a_command_is_spelt_so_that_it_finds_the_same_settings(tmp_path: Path, places: tuple[Path, Path]) -> None:
    """Settings that are found by themselves are not named; others are, quoted."""
    settings = found_house(tmp_path / "with space").settings
    path = settings.data / FILE
    assert shlex.split(read(path, None).command("backup"))[-2:] == ["--config", str(path)]
    places[1].symlink_to(path)
    assert spelt(path, "backup").endswith(" backup") or spelt(path, "backup") == "qianfa backup"
    assert load(find(None, None)) == settings
