"""The command line: argument parsing and printing only."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

import click

from gateway import commands
from gateway.config import Settings, SettingsWrong, load

DEFAULT_CONFIG = Path("/etc/qianfa/qianfa.toml")
_CONFIG = click.option("--config", type=click.Path(path_type=Path), default=None, help="qianfa.toml; default: ./qianfa.toml, else /etc/qianfa.")


def _settings(config: Path | None) -> Settings:
    path = config or (Path("qianfa.toml") if Path("qianfa.toml").exists() else DEFAULT_CONFIG)
    try:
        return load(path)
    except SettingsWrong as error:
        raise click.ClickException(str(error)) from error


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """签发 Qianfa: nothing goes out under a company's name without a verified approval."""


@main.command()
@click.option("--data", type=click.Path(path_type=Path), default=Path("/var/lib/qianfa"), show_default=True)
@click.option("--config", type=click.Path(path_type=Path), default=None, help="where to write qianfa.toml; default: in the data folder")
@click.option("--kind", type=click.Choice(["sandbox", "live"]), required=True, help="live talks to the real platforms, for ever")
@click.option("--company", required=True, help="the group's name")
@click.option("--founder", "founders", multiple=True, required=True, help="name of a founder; give it twice")
@click.option("--desk-url", required=True, help="https://… where people reach the desk (工作台)")
@click.option("--counter-url", required=True, help="https://… where people sign (签发台); passkeys are bound to its host for ever")
@click.option("--copies", type=click.Path(path_type=Path), default=None, help="file for the checkpoint copy; another disk is better")
@click.option("--backups", type=click.Path(path_type=Path), default=None)
@click.option("--key-file", type=click.Path(path_type=Path), default=None, help="opens the vault at start; made if missing; 'none' for none")
@click.option("--passphrase/--no-passphrase", default=False, help="also make a passphrase slot (asks for it)")
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
@_CONFIG
def doctor(config: Path | None) -> None:
    """Check the installation: a line a check, each with its repairing command."""
    settings = _settings(config)
    failed = 0
    for check in commands.doctor(settings):
        click.echo(f"{'✓' if check.ok else '✗'} {check.name}" + (f"  — {check.found}" if check.found else ""))
        if not check.ok:
            failed += 1
            click.echo(f"    → {check.repair}")
    sys.exit(1 if failed else 0)


@main.command()
@_CONFIG
@click.option("--tls-cert", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, help="certificate for all faces")
@click.option("--tls-key", type=click.Path(path_type=Path, exists=True, dir_okay=False), default=None, help="its private key")
@click.argument("face", type=click.Choice(["all", "desk", "enforcer"]), default="all")
def serve(config: Path | None, face: str, tls_cert: Path | None, tls_key: Path | None) -> None:
    """Run both processes (two users when root), or one of them; without TLS flags a reverse proxy must end TLS."""
    if (tls_cert is None) != (tls_key is None):
        raise click.UsageError("--tls-cert and --tls-key belong together")
    settings = _settings(config)
    if tls_cert is not None and tls_key is not None:
        settings = commands.with_tls(settings, tls_cert.resolve(), tls_key.resolve())
    try:
        sys.exit(commands.serve(settings, face, say=lambda line: click.echo(line, err=True)))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_CONFIG
def status(config: Path | None) -> None:
    """Say whether it may send, what is queued and unknown."""
    try:
        found = commands.admin(_settings(config), "GET", "/v1/status")
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error
    for line in commands.status_lines(found):
        click.echo(line)
    sys.exit(0 if found["state"] == "ok" else 1)


@main.command()
@_CONFIG
def backup(config: Path | None) -> None:
    """Write a backup (desk, log, blobs; never a key file) and print where."""
    try:
        click.echo(commands.make_backup(_settings(config)))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.command()
@_CONFIG
@click.argument("folder", type=click.Path(path_type=Path, exists=True))
def restore(config: Path | None, folder: Path) -> None:
    """Put a backup back while nothing runs; approvals that were open must be signed again."""
    try:
        restored = commands.restore(_settings(config), folder)
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"restored {restored.entries} entries; {restored.lost} newer entries are only in {restored.kept_copy or 'no copy'}")
    click.echo("At the next unsealing a new incarnation begins: open approvals end, sends that were under way are read back, never repeated.")


@main.group()
def vault() -> None:
    """The vault: status, unseal, seal, rotate, slots."""


@vault.command("status")
@_CONFIG
def vault_status(config: Path | None) -> None:
    """Print whether it is open, its slots and terms, and what is on lease."""
    _print(config, "GET", "/v1/vault")


@vault.command()
@_CONFIG
@click.option("--recovery", is_flag=True, help="use the printed recovery key instead of the passphrase")
@click.option("--key-file", type=click.Path(path_type=Path), default=None)
def unseal(config: Path | None, recovery: bool, key_file: Path | None) -> None:  # noqa: FBT001 -- click passes flags so
    """Open the vault (asks for the secret; nothing on the command line)."""
    if key_file is not None:
        body = {"kind": "key_file", "path": str(key_file.resolve())}
    elif recovery:
        body = {"kind": "recovery", "secret": getpass.getpass("Recovery key: ")}
    else:
        body = {"kind": "passphrase", "secret": getpass.getpass("Passphrase: ")}
    _print(config, "POST", "/v1/vault/unseal", body)


@vault.command()
@_CONFIG
def seal(config: Path | None) -> None:
    """Forget every key; sending stops, drafting goes on."""
    _print(config, "POST", "/v1/vault/seal", {})


@vault.command()
@_CONFIG
def rotate(config: Path | None) -> None:
    """Begin a new key term and move every stored secret to it."""
    _print(config, "POST", "/v1/vault/rotate", {})


@vault.group()
def slot() -> None:
    """What can open the vault."""


@slot.command("add")
@_CONFIG
@click.argument("kind", type=click.Choice(["passphrase", "recovery", "key-file"]))
@click.option("--path", type=click.Path(path_type=Path), default=None, help="for key-file; made if missing")
def slot_add(config: Path | None, kind: str, path: Path | None) -> None:
    """Add a slot; a recovery key is printed once."""
    body = {"kind": kind.replace("-", "_")}
    if kind == "passphrase":
        body["secret"] = getpass.getpass("Passphrase (12 characters or more): ")
    if path is not None:
        body["path"] = str(path.resolve())
    _print(config, "POST", "/v1/vault/slots", body)


@slot.command("remove")
@_CONFIG
@click.argument("name")
def slot_remove(config: Path | None, name: str) -> None:
    """Remove a slot by the name `qianfa vault status` shows; never the last."""
    _print(config, "DELETE", f"/v1/vault/slots/{name}")


def _print(config: Path | None, method: str, path: str, body: dict[str, str] | None = None) -> None:
    try:
        click.echo(json.dumps(commands.admin(_settings(config), method, path, body), ensure_ascii=False, indent=2))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@main.group("log")
def log_() -> None:
    """The evidence log: verify, prove, export."""


@log_.command()
@_CONFIG
@click.option("--data", type=click.Path(path_type=Path, exists=True), default=None, help="a log.db elsewhere, such as a backup's")
def verify(config: Path | None, data: Path | None) -> None:
    """Hash every stored byte again and compare with every signature and the copy outside."""
    verdict = commands.verify_log(_settings(config), data, progress=commands.progress_bar())
    click.echo(verdict.text)
    sys.exit(0 if verdict.ok else 1)


@log_.command()
@_CONFIG
@click.argument("entry", type=int)
def prove(config: Path | None, entry: int) -> None:
    """Print the proof that an entry is in the log (c2sp.org/tlog-proof)."""
    try:
        click.echo(commands.prove(_settings(config), entry))
    except commands.CommandFailed as error:
        raise click.ClickException(str(error)) from error


@log_.command()
@_CONFIG
@click.argument("identifier", required=False)
@click.option("--from", "first", type=click.IntRange(min=0), default=None, help="instead of an id: every entry from this number on")
@click.option("--until", "last", type=click.IntRange(min=0), default=None, help="with --from: the last entry; default: the newest")
@click.option("--to", "target", type=click.Path(path_type=Path), default=None, help="zip to write; default: ID.zip, or entries.zip")
def export(config: Path | None, identifier: str | None, first: int | None, last: int | None, target: Path | None) -> None:
    """Write the evidence pack about any id, or of every entry in a range; a stranger checks it with the verifier inside."""
    if (identifier is None) == (first is None) or (last is not None and first is None):
        raise click.UsageError("give an id, or --from with or without --until")
    try:
        if identifier is not None:
            click.echo(commands.export(_settings(config), identifier, target or Path(f"{identifier}.zip")))
        else:
            click.echo(commands.export_range(_settings(config), first or 0, last, target or Path("entries.zip")))
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
