"""The command line: argument parsing and printing only."""

from __future__ import annotations

import functools
import getpass
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from gateway import commands, place
from gateway.config import SettingsWrong
from gateway.place import Placed


def _placed(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the two options that name the settings, and the settings themselves as its first argument."""

    @click.option("--config", type=click.Path(path_type=Path), default=None, help="the settings, where they are not in the data folder")
    @click.option("--data", type=click.Path(path_type=Path), default=None, help=f"the data folder; default: {place.DATA}, or what /etc/qianfa names")
    @functools.wraps(command)
    def found(config: Path | None, data: Path | None, **options: Any) -> None:
        try:
            placed = place.read(config, data)
        except SettingsWrong as error:
            raise click.ClickException(str(error)) from error
        command(placed, **options)

    return found


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """签发 Qianfa: nothing goes out under a company's name without a verified approval."""


@main.command()
@click.option("--data", type=click.Path(path_type=Path), default=place.DATA, show_default=True)
@click.option("--config", type=click.Path(path_type=Path), default=None, help="where to write the settings; default: in the data folder")
@click.option("--kind", type=click.Choice(["sandbox", "live"]), required=True, help="live talks to the real platforms, for ever")
@click.option("--company", required=True, help="the group's name")
@click.option("--founder", "founders", multiple=True, required=True, help="name of a founder; give it twice")
@click.option("--desk-url", required=True, help="https://… where people reach the desk (工作台)")
@click.option("--counter-url", required=True, help="https://… where people sign (签发台); passkeys are bound to its host for ever")
@click.option("--inside-url", default="", help="where the counter's inside listener is reached, if it has an address of its own (no reverse proxy)")
@click.option("--copies", type=click.Path(path_type=Path), default=None, help="file for the checkpoint copy; another disk is better")
@click.option("--backups", type=click.Path(path_type=Path), default=None)
@click.option("--key-file", type=click.Path(path_type=Path), default=None, help="opens the vault at start; made if missing; 'none' for none")
@click.option("--passphrase/--no-passphrase", default=False, help="also make a passphrase slot (asks for it)")
@click.option("--proxy", "proxies", multiple=True, help="address of the reverse proxy, whose X-Forwarded-For is believed (repeat)")
@click.option("--desk-port", default=8441, show_default=True)
@click.option("--counter-port", default=8442, show_default=True)
@click.option("--inside-port", default=8443, show_default=True)
@click.option("--base", "bases", multiple=True, help="sandbox only: wechat=http://127.0.0.1:… (repeat)")
def init(**options: Any) -> None:
    """Found a deployment: keys, vault, log, the two founders. Prints what must be kept on paper."""
    passphrase = getpass.getpass("Passphrase (12 characters or more): ") if options.pop("passphrase") else None
    try:
        founded = commands.init(passphrase=passphrase, **options)
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error
    for line in commands.cards(founded, (options["config"] or founded.settings.data / "qianfa.toml").resolve()):
        click.echo(line)


@main.command()
@_placed
def doctor(placed: Placed) -> None:
    """Check the installation: a line a check; under each that fails what to do (→) and the command that does it ($)."""
    from gateway import doctor as checks

    click.echo(_read_from(placed))
    failed = False
    for check in checks.examine(placed):
        failed = failed or not check.ok
        for line in check.lines():
            click.echo(line)
    sys.exit(1 if failed else 0)


def _read_from(placed: Placed) -> str:
    return f"设置 settings: {placed.path}"


def _pair(context: click.Context, given: click.Parameter, value: Path | None) -> Path | None:
    """Refuse one of the two TLS flags without the other, before anything is looked for."""
    other = "tls_key" if given.name == "tls_cert" else "tls_cert"
    if other in context.params and (context.params[other] is None) != (value is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    return value


@main.command()
@_placed
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, callback=_pair, help="certificate for all faces")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, callback=_pair, help="its private key")
@click.argument("face", type=click.Choice(["all", "desk", "enforcer"]), default="all")
def serve(placed: Placed, face: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Run both processes (two users when root), or one of them; without TLS flags a reverse proxy must end TLS."""
    settings = placed.settings
    if tls_cert is not None and tls_key is not None:
        settings = commands.with_tls(settings, tls_cert.resolve(), tls_key.resolve())
    click.echo(_read_from(placed), err=True)
    try:
        sys.exit(commands.serve(settings, face, say=lambda line: click.echo(line, err=True)))
    except commands.CommandFailed as error:
        click.ClickException(str(error)).show()
        sys.exit(error.status)


@main.command()
@_placed
def status(placed: Placed) -> None:
    """Say whether it may send, what is queued and unknown."""
    try:
        found = commands.admin(placed.settings, "GET", "/v1/status")
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error
    for line in commands.status_lines(found):
        click.echo(line)
    click.echo(_read_from(placed))
    sys.exit(0 if found["state"] == "ok" else 1)


@main.command()
@_placed
def backup(placed: Placed) -> None:
    """Write a backup (desk, log, blobs; never a key file) and print where."""
    try:
        click.echo(commands.make_backup(placed.settings))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_placed
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def restore(placed: Placed, folder: Path) -> None:
    """Put a backup back while nothing runs; approvals that were open must be signed again."""
    try:
        restored = commands.restore(placed.settings, folder)
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error
    place.link(placed)
    for line in commands.restored_lines(restored):
        click.echo(line)


@main.group()
def vault() -> None:
    """The vault: status, unseal, seal, rotate, slots."""


@vault.command("status")
@_placed
def vault_status(placed: Placed) -> None:
    """Print whether it is open, its slots and terms, and what is on lease."""
    _print(placed, "GET", "/v1/vault")


@vault.command()
@_placed
@click.option("--recovery", is_flag=True, help="use the printed recovery key instead of the passphrase")
@click.option("--key-file", type=click.Path(path_type=Path), default=None)
def unseal(placed: Placed, recovery: bool, key_file: Path | None) -> None:  # noqa: FBT001 -- click passes flags so
    """Open the vault (asks for the secret; nothing on the command line)."""
    if key_file is not None:
        body = {"kind": "key_file", "path": str(key_file.resolve())}
    elif recovery:
        body = {"kind": "recovery", "secret": getpass.getpass("Recovery key: ")}
    else:
        body = {"kind": "passphrase", "secret": getpass.getpass("Passphrase: ")}
    _print(placed, "POST", "/v1/vault/unseal", body)


@vault.command()
@_placed
def seal(placed: Placed) -> None:
    """Forget every key; sending stops, drafting goes on."""
    _print(placed, "POST", "/v1/vault/seal", {})


@vault.command()
@_placed
def rotate(placed: Placed) -> None:
    """Begin a new key term and move every stored secret to it."""
    _print(placed, "POST", "/v1/vault/rotate", {})


@vault.group()
def slot() -> None:
    """What can open the vault."""


@slot.command("add")
@_placed
@click.argument("kind", type=click.Choice(["passphrase", "recovery", "key-file"]))
@click.option("--path", type=click.Path(path_type=Path), default=None, help="for key-file; made if missing")
def slot_add(placed: Placed, kind: str, path: Path | None) -> None:
    """Add a slot; a recovery key is printed once."""
    body = {"kind": kind.replace("-", "_")}
    if kind == "passphrase":
        body["secret"] = getpass.getpass("Passphrase (12 characters or more): ")
    if path is not None:
        body["path"] = str(path.resolve())
    _print(placed, "POST", "/v1/vault/slots", body)


@slot.command("remove")
@_placed
@click.argument("name")
def slot_remove(placed: Placed, name: str) -> None:
    """Remove a slot by the name `qianfa vault status` shows; never the last."""
    _print(placed, "DELETE", f"/v1/vault/slots/{name}")


def _print(placed: Placed, method: str, path: str, body: dict[str, str] | None = None) -> None:
    try:
        click.echo(json.dumps(commands.admin(placed.settings, method, path, body), ensure_ascii=False, indent=2))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.group("log")
def log_() -> None:
    """The evidence log: verify, prove, export."""


@log_.command()
@_placed
@click.argument("elsewhere", type=click.Path(path_type=Path, exists=True), required=False)
def verify(placed: Placed, elsewhere: Path | None) -> None:
    """Hash every stored byte again and compare with every signature and the copy outside; ELSEWHERE is another log to verify, such as a backup's folder."""
    from gateway import logfiles

    verdict = logfiles.verify(placed.settings, elsewhere, progress=logfiles.progress_bar())
    click.echo(verdict.text)
    sys.exit(0 if verdict.ok else 1)


@log_.command()
@_placed
@click.argument("entry", type=int)
def prove(placed: Placed, entry: int) -> None:
    """Print the proof that an entry is in the log (c2sp.org/tlog-proof)."""
    from gateway import logfiles

    try:
        click.echo(logfiles.prove(placed.settings, entry))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@log_.command()
@_placed
@click.argument("identifier", required=False)
@click.option("--from", "first", type=click.IntRange(min=0), default=None, help="instead of an id: every entry from this number on")
@click.option("--until", "last", type=click.IntRange(min=0), default=None, help="with --from: the last entry; default: the newest")
@click.option("--to", "target", type=click.Path(path_type=Path), default=None, help="zip to write; default: ID.zip, or entries.zip")
def export(placed: Placed, identifier: str | None, first: int | None, last: int | None, target: Path | None) -> None:
    """Write the evidence pack about any id, or of every entry in a range; a stranger checks it with the verifier inside."""
    from gateway import logfiles

    if (identifier is None) == (first is None) or (last is not None and first is None):
        raise click.UsageError("give an id, or --from with or without --until")
    try:
        if identifier is not None:
            click.echo(logfiles.export(placed.settings, identifier, target or Path(f"{identifier}.zip")))
        else:
            click.echo(logfiles.export_range(placed.settings, first or 0, last, target or Path("entries.zip")))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.command()
@click.option("--once", is_flag=True, help="play and exit")
@click.option("--data", type=click.Path(path_type=Path), default=Path("demo-data"), show_default=True)
@click.option("--no-wordpress", is_flag=True, help="play without the site")
def demo(once: bool, data: Path, no_wordpress: bool) -> None:  # noqa: FBT001 -- click passes flags so
    """Play the main job on a sandbox company and, without --once, serve it until Ctrl-C."""
    from gateway.demo.play import play

    sys.exit(play(data, once=once, wordpress=not no_wordpress))
