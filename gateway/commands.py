"""What the command line does, apart from parsing and printing."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import sqlite3
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

import aiohttp

from gateway import calendar
from gateway.config import Listen, Settings
from gateway.launcher import Launcher, LaunchRefused, prepare_users, reachable, run_face
from gateway.log import audit, bundle
from gateway.log.checkpoint import parse_vkey
from gateway.log.errors import LogUnavailable
from gateway.ownership import as_owner, open_regular


class CommandFailed(Exception):
    """The command could not be done; the message says what and what to do next."""


class NotRunning(CommandFailed):
    """No enforcer listens at the admin socket."""


# ---- founding and serving ---------------------------------------------------------------------------------------------


def init(
    *, data: Path, config: Path | None, kind: str, company: str, founders: Sequence[str], desk_url: str, counter_url: str,
    copies: Path | None, backups: Path | None, key_file: Path | None, desk_port: int, counter_port: int, inside_port: int,
    bases: Sequence[str], passphrase: str | None,
) -> Any:
    """Found a deployment; see `gateway.enforcer.founding.found`.

    Raises:
        CommandFailed: something exists there already, or an option does not hold.
    """
    from gateway.enforcer import founding

    data = data.resolve()
    try:
        draft = Settings.model_validate({
            "deployment": "new", "kind": kind, "log_key": "new", "desk_url": desk_url.rstrip("/"), "counter_url": counter_url.rstrip("/"),
            "counter_inside_url": _inside_url(counter_url, inside_port),
            "data": data, "run": data / "run", "copies": copies or data / "copies" / "checkpoints", "backups": backups or data / "backups",
            "desk": Listen(port=desk_port), "counter": Listen(port=counter_port), "counter_inside": Listen(port=inside_port),
            "key_file": None if key_file is not None and str(key_file) == "none" else key_file or data / "keys" / "vault.key",
            "bases": dict(base.split("=", 1) for base in bases),
        })
        if os.getuid() == 0:
            prepare_users(draft)
        return founding.found(draft, group_name=company, people=founders, passphrase=passphrase, config=config)
    except founding.AlreadyFounded as error:
        raise CommandFailed(f"there is a deployment already: {error}") from error
    except (ValueError, OSError, LaunchRefused) as error:
        raise CommandFailed(str(error)) from error


def _inside_url(counter_url: str, port: int) -> str:
    """Return the inside listener's address for a counter on this machine; behind a proxy both faces have one address."""
    parts = urlsplit(counter_url)
    return f"http://{parts.hostname}:{port}" if (parts.hostname or "").endswith(".localhost") else ""


def cards(founded: Any, config: Path) -> Iterator[str]:
    """Yield the lines of the two cards that belong on paper, the founders' codes, and what to do next with the settings at `config`."""
    yield ""
    yield "┌─ 卡片一 · 密钥库恢复钥（只显示这一次，锁进保险柜） / recovery key, shown once ─┐"
    groups = founded.recovery_key.split("-") if "-" in founded.recovery_key else founded.recovery_key.split()
    for start in range(0, len(groups), 7):
        yield "    " + " ".join(groups[start : start + 7])
    yield "├─ 卡片二 · 存证指纹（随证据包核对，可以公开） / log fingerprint ─┤"
    yield f"    {founded.fingerprint}"
    yield "└─ 首次授权码（7 天内到签发台使用一次） / one-time codes for the founders ─┘"
    for name, code in founded.codes:
        yield f"    {name}: {code}   → {founded.settings.inside_url}/s/enrol"
    yield ""
    yield "下一步 / next:"
    yield f"    qianfa serve --config {config}"
    yield f"    qianfa doctor --config {config}"
    yield ""


def with_tls(settings: Settings, certificate: Path, key: Path) -> Settings:
    """Return the settings with every face that people reach ending TLS itself with this certificate."""
    faces = ("desk", "counter", "counter_inside")
    changed = {name: getattr(settings, name).model_copy(update={"certificate": certificate, "key": key}) for name in faces}
    return settings.model_copy(update=changed)


def serve(settings: Settings, face: str, *, say: Callable[[str], None]) -> int:
    """Run both processes or one face until stopped; return the exit status.

    Raises:
        CommandFailed: a process could not be started.
    """
    if face != "all":
        return _serve_one(settings, face)
    launcher = Launcher(settings)
    try:
        launcher.start(say=say)
    except LaunchRefused as error:
        launcher.stop()
        raise CommandFailed(str(error)) from error
    say(f"工作台 desk: {settings.desk_url}   签发台 counter: {settings.counter_url}")
    _on_stop(launcher)
    return launcher.watch()


def _on_stop(launcher: Launcher) -> None:
    import signal

    def stop(_number: int, _frame: object) -> None:
        launcher.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _serve_one(settings: Settings, face: str) -> int:
    try:
        run_face(settings, face)
    except LaunchRefused as error:
        raise CommandFailed(str(error)) from error
    except SystemExit as left:
        return int(left.code or 0)
    return 0


# ---- the admin socket -------------------------------------------------------------------------------------------------


def admin(settings: Settings, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, Any]:
    """Ask the running enforcer over its admin socket.

    Raises:
        CommandFailed: it is not running, or it refused (in its own words).
    """
    return asyncio.run(_admin(settings, method, path, body))


async def _admin(settings: Settings, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
    connector = aiohttp.UnixConnector(path=str(settings.admin_socket))
    try:
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=600)) as session:  # noqa: SIM117 -- read apart
            async with session.request(method, f"http://admin{path}", json=body) as response:
                answer: dict[str, Any] = await response.json(content_type=None)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in {errno.ENOENT, errno.ECONNREFUSED}:
            raise NotRunning(f"no enforcer runs at {settings.admin_socket}: start it with `qianfa serve`") from error
        raise CommandFailed(f"the enforcer does not answer you at {settings.admin_socket} ({type(error).__name__}): use root or its own user") from error
    if response.status >= 400:
        raise CommandFailed(answer.get("title") or f"{answer.get('kind', '')} {answer.get('reason', answer.get('code', ''))}".strip())
    return answer


_DISKS: Final = {
    "log": ("磁盘将满，请腾出空间", "the disk is nearly full, make room"),
    "copy": ("外部副本所在的盘将满，请腾出空间", "the disk of the checkpoint copy is nearly full, make room there"),
    "silent": ("存证或外部副本所在的盘没有响应，请检查", "the disk of the log or of the checkpoint copy does not answer, look at it"),
}


def status_lines(found: dict[str, Any]) -> Iterator[str]:
    """Yield `qianfa status` in a few lines."""
    words = {"ok": "可用 ok", "sealed": "已锁 sealed", "degraded": "降级 degraded"}
    yield f"{words.get(found['state'], found['state'])}" + (f" since {found['since']} ({found['by']})" if found["since"] else "")
    queue = found["queue"]
    yield f"待核实 unknown {queue.get('unknown', 0)} · 排队 held {queue.get('held', 0)} · 平台处理 pending {queue.get('pending', 0)}" + (
        f" · 最早 earliest {found['earliest']}" if found["earliest"] else "")
    yield f"在审 in review {found['in_review']} · 冻结 freezes {found['freezes']} · 存证 log {found['log']['size']} entries"
    if found["disk_low"]:
        zh, en = _DISKS[found["disk"]]
        yield f"{zh}：只有停发、冻结、退回和撤稿照常；好了自动恢复 / {en}: only what stops or takes down goes on, until that is mended"
    if found["clock_behind"]:
        yield "时钟早于存证，已停止发送 / the clock is behind the log, sending has stopped"
    if not found["isolated"]:
        yield "两个进程未隔离 / the two processes are not isolated"


def make_backup(settings: Settings) -> str:
    """Back up through the running enforcer, or directly where none runs, and return the folder.

    Raises:
        CommandFailed: it could not be written.
    """
    from gateway.enforcer import backup

    try:
        desk = None
        if os.getuid() == 0:
            desk = settings.backups / f"desk-{time.time_ns()}.part"
            backup.copy_desk(settings, desk)
        try:
            return str(admin(settings, "POST", "/v1/backup", {"desk": str(desk)} if desk else {})["path"])
        except NotRunning:
            return as_owner(settings.enforcer_data, lambda: str(backup.make(settings, desk=desk)))
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(f"backup failed: {error}") from error


def restore(settings: Settings, folder: Path) -> Any:
    """Put a backup back.

    Raises:
        CommandFailed: the enforcer runs, or the backup is not whole.
    """
    from gateway.enforcer import backup

    try:
        admin(settings, "GET", "/v1/status")
    except NotRunning:
        pass
    else:
        raise CommandFailed("stop the enforcer first (`qianfa serve` is running)")
    try:
        return backup.restore(settings, folder)
    except (backup.RestoreRefused, OSError, LogUnavailable) as error:
        raise CommandFailed(str(error)) from error


# ---- the log ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification of a whole store says."""

    ok: bool
    text: str


def verify_log(settings: Settings, data: Path | None, *, progress: Callable[[int, int], None]) -> Verdict:
    """Verify the deployment's log, or the one at `data`, against its signatures and the copy outside."""
    from gateway.enforcer.startup import StartRefused, check, check_copy

    path = data or settings.enforcer_data / "log.db"
    if path.is_dir():
        path = next(iter(path.rglob("log.db")), path)
    began = time.monotonic()
    try:
        if data is None:
            check_copy(1, settings.copies)
        copies = [settings.copies] if settings.copies.exists() else []
        report = audit.verify_store(path, parse_vkey(settings.log_key), copies=copies, progress=progress)
        if data is not None:  # an older state of the log is whole even where the copy outside has gone on
            report.findings = [finding for finding in report.findings if finding.code != "tail_missing"]
        check(report)
    except StartRefused as refused:
        return Verdict(ok=False, text=f"✗ {refused.zh}\n✗ {refused.en}")
    except LogUnavailable as error:
        return Verdict(ok=False, text=f"✗ 存证读不出来 / the log cannot be read: {error.code} {error}")
    seconds = time.monotonic() - began
    return Verdict(
        ok=True, text=f"✓ {report.size} 条存证完整、未改（{seconds:.1f} 秒）\n✓ {report.size} entries are whole and unaltered\n"
        f"  指纹 fingerprint {parse_vkey(settings.log_key).fingerprint}",
    )


def progress_bar() -> Callable[[int, int], None]:
    """Return a progress callback that draws on a terminal and is silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None

    def draw(done: int, total: int) -> None:
        part = done / total if total else 1.0
        sys.stderr.write(f"\r[{'█' * int(part * 30):<30}] {done}/{total}" + ("\n" if done >= total else ""))
        sys.stderr.flush()

    return draw


def prove(settings: Settings, seq: int) -> str:
    """Return the inclusion proof of an entry under the newest checkpoint.

    Raises:
        CommandFailed: there is no such entry, or the log does not verify.
    """
    try:
        report = audit.verify_store(settings.enforcer_data / "log.db", parse_vkey(settings.log_key))
    except LogUnavailable as error:
        raise CommandFailed(str(error)) from error
    if not report.ok or report.note is None:
        raise CommandFailed("the log does not verify: run `qianfa log verify`")
    if not 0 <= seq < report.size:
        raise CommandFailed(f"there is no entry {seq}; the log has {report.size}")
    return bundle.inclusion_text(report.tree, seq, report.note).decode()


def export(settings: Settings, identifier: str, target: Path) -> str:
    """Write the evidence pack about `identifier` to `target`, from the files alone (the enforcer may run or not).

    Raises:
        CommandFailed: nothing concerns the id, the log does not verify, or the pack cannot be written.
    """
    from gateway.enforcer.evidence import write_pack

    with _sources(settings) as sources, _written(target, f"nothing in the log concerns {identifier}") as file:
        write_pack(sources, identifier, file)
    return _pack_words(target)


def export_range(settings: Settings, first: int, last: int | None, target: Path) -> str:
    """Write the pack that holds every entry from `first` to `last` (None: the newest) to `target`, as `export` does.

    Raises:
        CommandFailed: the log has no such entries, does not verify, or the pack cannot be written.
    """
    from gateway.enforcer.evidence import write_range

    with _sources(settings) as sources, _written(target, f"the log has no entries {first} to {last}") as file:
        begins, ends = write_range(sources, first, last, file)
    return f"每一条 every entry {begins} – {ends}\n{_pack_words(target)}"


def _pack_words(target: Path) -> str:
    return f"{target}  (python3 verify.py inside it, or: python3 -m gateway.log.verify {target})"


@contextmanager
def _sources(settings: Settings) -> Iterator[Any]:
    from gateway.enforcer.evidence import Sources

    try:
        report = audit.verify_store(settings.enforcer_data / "log.db", parse_vkey(settings.log_key))
    except LogUnavailable as error:
        raise CommandFailed(str(error)) from error
    if not report.ok:
        raise CommandFailed("the log does not verify: run `qianfa log verify`")
    sources = Sources.of_folder(settings.enforcer_data, report.tree, report.chain)
    try:
        yield sources
    finally:
        sources.values.close()


@contextmanager
def _written(target: Path, nothing: str) -> Iterator[IO[bytes]]:
    """Give a file that becomes `target` only when it is whole; `nothing` is what to say where there is nothing to write."""
    from gateway.protocol.denials import Denied

    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        with part.open("xb") as file:  # exclusive: a link that somebody put there is not followed (open(2), O_EXCL)
            yield file
        part.replace(target)
    except Denied as denied:
        raise CommandFailed(nothing) from denied
    except OSError as error:
        raise CommandFailed(f"cannot write {target}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


# ---- doctor -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line of `qianfa doctor`: what, whether it holds, what was found, and the command that mends it."""

    name: str
    ok: bool
    repair: str
    found: str = ""


def doctor(settings: Settings) -> Iterator[Check]:
    """Yield every check of the installation."""
    yield Check(name="Python 3.11", ok=sys.version_info[:2] == (3, 11), repair="install python3.11 and run .ci/setup run", found=sys.version.split()[0])
    yield from _check_files(settings)
    yield from _check_durability(settings)
    yield from _check_isolation(settings)
    yield from _check_faces(settings)
    yield from _check_clock()
    yield from _check_running(settings)


def _check_files(settings: Settings) -> Iterator[Check]:
    log = settings.enforcer_data / "log.db"
    yield Check(name="log exists / 存证库在", ok=log.exists(), repair="qianfa init, or qianfa restore FOLDER", found=str(log))
    yield Check(name="checkpoint copy exists / 外部副本在", ok=settings.copies.exists(), repair=f"qianfa restore, or point `copies` at the file ({settings.copies})")
    other = log.exists() and settings.copies.exists() and log.stat().st_dev != settings.copies.stat().st_dev
    yield Check(name="copy on another disk / 副本在另一块盘", ok=other or settings.kind == "sandbox", repair="move `copies` in qianfa.toml to another disk",
                found="" if other else "same disk" if settings.kind == "live" else "same disk, enough for a sandbox")
    key = settings.key_file
    if key is not None:
        modes = {0o400, 0o440} if Path("/run/credentials") in key.parents else {0o400}
        mode_ok = key.exists() and not key.is_symlink() and key.stat().st_mode & 0o777 in modes
        yield Check(name="key file is 0400, no link / 密钥文件权限", ok=mode_ok, repair=f"chmod 0400 {key}; chown {settings.enforcer_user} {key}")
        inside = settings.backups in key.parents or settings.enforcer_data in key.parents
        yield Check(name="key file is not in the backups / 密钥不随备份", ok=not inside, repair="move the key file out of data and backups")
    reserve = log.with_name(log.name + ".reserve")
    yield Check(name="64 MB reserve / 预留空间", ok=reserve.exists(), repair="free disk space, restart the enforcer")


_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 20
"""Bytes of a database's header up to its write and read version, 2 for WAL (www.sqlite.org/fileformat2.html, 1.3.3)."""


def _check_durability(settings: Settings) -> Iterator[Check]:
    log = settings.enforcer_data / "log.db"
    mode = ""
    if log.exists():
        try:
            with open_regular(log) as file:  # root asks, and the folder is the enforcer's: nothing of it is opened as a database here
                head = file.read(_HEADER)
            mode = "wal" if head.startswith(_MAGIC) and head[18:20] == b"\2\2" else "not wal"
        except OSError as error:
            mode = str(error)
    yield Check(name="write-ahead log / WAL", ok=mode == "wal", repair="put the data folder on a local disk", found=mode)
    free = os.statvfs(settings.data).f_bavail * os.statvfs(settings.data).f_frsize if settings.data.exists() else 0
    yield Check(name="1 GB free / 磁盘余量", ok=free > 1 << 30, repair=f"free space under {settings.data}", found=f"{free >> 20} MB")
    newest = max((p.stat().st_mtime for p in settings.backups.glob("backup-*") if p.suffix != ".part"), default=0.0) if settings.backups.exists() else 0.0
    yield Check(name="backup within 7 days / 一周内有备份", ok=time.time() - newest < 7 * 86_400, repair="qianfa backup", found="" if newest else "never")


def _check_isolation(settings: Settings) -> Iterator[Check]:
    root = os.getuid() == 0
    blocked = reachable(settings) if root else "started without root"
    yield Check(name="two users / 两个系统用户隔离", ok=root and blocked is None, repair="run `qianfa serve` as root with the data under a folder others may pass",
                found=blocked or "")


def _check_faces(settings: Settings) -> Iterator[Check]:
    yield Check(name="two host names / 两个域名", ok=settings.desk_url != settings.counter_url, repair="set desk_url and counter_url in qianfa.toml")
    secure = all(url.startswith("https://") or ".localhost" in url for url in (settings.desk_url, settings.counter_url))
    yield Check(name="https, or only this machine / 加密访问或仅限本机", ok=secure, repair="serve TLS (docs/howto/install.md)")
    for name, listen in (("desk", settings.desk), ("counter", settings.counter), ("counter_inside", settings.counter_inside)):
        if listen.certificate is not None:
            yield _certificate(name, listen)


def _certificate(name: str, listen: Listen) -> Check:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(str(listen.certificate), str(listen.key) if listen.key else None)
    except (OSError, ssl.SSLError) as error:
        return Check(name=f"certificate of {name}", ok=False, repair="renew it; see docs/howto/install.md", found=str(error))
    return Check(name=f"certificate of {name}", ok=True, repair="")


def _check_clock() -> Iterator[Check]:
    year = time.gmtime().tm_year
    known = calendar.known(date(year, 1, 4))
    yield Check(name=f"working-day calendar {year} / 调休日历", ok=known, repair="upgrade the chinesecalendar package", found="" if known else "Monday–Friday is used")


def _check_running(settings: Settings) -> Iterator[Check]:
    try:
        found = admin(settings, "GET", "/v1/status")
    except CommandFailed as error:
        yield Check(name="enforcer answers / 签发服务在运行", ok=False, repair="qianfa serve", found=str(error))
        return
    yield Check(name="enforcer answers / 签发服务在运行", ok=True, repair="")
    yield Check(name="vault is open / 密钥库已开", ok=found["state"] != "sealed", repair="qianfa vault unseal", found=found["state"])
    yield Check(name="clock is not behind the log / 时钟", ok=not found["clock_behind"], repair="timedatectl set-ntp true, then restart")
    yield Check(name="nothing unknown / 无待核实", ok=not found["queue"].get("unknown"), repair="open 发布 › 待核实 on the desk", found=str(found["queue"]))
    vault = admin(settings, "GET", "/v1/vault")
    yield Check(name="no row the log does not know / 无未登记密文", ok=not vault["unbound_rows"], repair="restart the enforcer; if it stays, look at docs/howto/unseal.md",
                found=", ".join(vault["unbound_rows"]))
