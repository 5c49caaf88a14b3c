"""`qianfa doctor`: a line a check, and under each that does not hold what to do, as a command to run wherever a command can do it."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509

from gateway import calendar
from gateway.commands import CommandFailed, admin
from gateway.config import Listen, Settings
from gateway.launcher import reachable, shared_group
from gateway.listening import ListenRefused, tls_context
from gateway.ownership import as_owner, open_regular
from gateway.place import Placed

UNIT: Final = Path("/etc/systemd/system/qianfa.service")
RENEW: Final = timedelta(days=14)
"""A certificate that ends within this time is said before it does."""
_MAGIC: Final = b"SQLite format 3\0"
_HEADER: Final = 20
"""Bytes of a database's header up to its write and read version, 2 for WAL (www.sqlite.org/fileformat2.html, 1.3.3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One line: what, whether it holds, what was found; `repair` says what to do, `command` does it as printed."""

    name: str
    ok: bool
    repair: str = ""
    command: str = ""
    found: str = ""

    def lines(self) -> Iterator[str]:
        """Yield it as it is printed."""
        yield f"{'✓' if self.ok else '✗'} {self.name}" + (f"  — {self.found}" if self.found else "")
        if not self.ok:
            if self.repair:
                yield f"    → {self.repair}"
            if self.command:
                yield f"    $ {self.command}"


def examine(placed: Placed) -> Iterator[Check]:
    """Yield every check of the installation whose settings these are."""
    settings = placed.settings
    yield Check(name="Python 3.11", ok=sys.version_info[:2] == (3, 11), repair="装 python3.11，再运行 .ci/setup run / install python3.11, then run .ci/setup run",
                found=sys.version.split()[0])
    closed = next((folder for folder in (settings.enforcer_data, settings.backups) if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK)), None)
    if closed is not None:
        yield Check(name="may look / 查得到", ok=False, found=f"{closed}", repair="这些文件属于签发服务的用户 / these files are the enforcer's: ask as root",
                    command="sudo " + placed.command("doctor"))
        return
    yield from _files(placed)
    yield from _durability(placed)
    yield from _faces(settings)
    yield from _year()
    yield from _running(placed)


def _newest_backup(settings: Settings) -> Path | None:
    kept = [path for path in settings.backups.glob("backup-*") if path.suffix != ".part"] if settings.backups.is_dir() else []
    return max(kept, key=lambda path: path.stat().st_mtime, default=None)


def _files(placed: Placed) -> Iterator[Check]:
    settings = placed.settings
    log, newest = settings.enforcer_data / "log.db", _newest_backup(settings)
    yield Check(
        name="log exists / 存证库在", ok=log.exists(), found=str(log),
        repair="它所在的盘没有挂载时先挂载；确实丢失时恢复备份：qianfa restore 备份目录 / mount its disk if it is not; if the log is lost, restore a backup: qianfa restore FOLDER",
        command=placed.command("restore", shlex.quote(str(newest))) if newest else "")
    backed = placed.command("backup")
    yield Check(
        name="checkpoint copy exists / 外部副本在", ok=settings.copies.exists(), found=str(settings.copies),
        repair="先挂载它所在的盘，或改正设置里的 copies；确实丢失时才运行下面一行（开启新纪元，未走完的审批须重签） / mount its disk, or mend `copies` in the "
        "settings; only if it is lost for good, run this (a new incarnation: open approvals must be signed again)",
        command=placed.command("restore", f'"$({backed})"') if log.exists() else "")
    other = log.exists() and settings.copies.exists() and log.stat().st_dev != settings.copies.stat().st_dev
    yield Check(
        name="copy on another disk / 副本在另一块盘", ok=other or settings.kind == "sandbox",
        repair=f"停下服务，把 {settings.copies} 移到另一块盘，并改 {placed.path} 里的 copies / stop it, move the file to another disk, and say so in `copies`",
        found="" if other else "same disk" if settings.kind == "live" else "same disk, enough for a sandbox")
    if settings.key_file is not None:
        yield from _key_file(placed, settings.key_file)
    yield Check(
        name="64 MB reserve / 预留空间", ok=log.with_name(log.name + ".reserve").exists(),
        repair=f"在 {log.parent} 所在的盘腾出空间，运行中的服务会自己重新预留 / make room on the disk of {log.parent}; a running enforcer sets it aside again by itself")


def _key_file(placed: Placed, key: Path) -> Iterator[Check]:
    settings = placed.settings
    name = "key file is 0400, no link / 密钥文件权限"
    if not key.exists():
        yield Check(
            name=name, ok=False, found=f"{key} is missing", command=placed.command("vault", "slot", "add", "key-file", "--path", shlex.quote(str(key))),
            repair="放回原来的文件；丢失时在密钥库开着时（vault unseal --recovery）另做一个 / put the file back; if it is lost, make another while the vault is open")
    elif key.is_symlink():
        yield Check(name=name, ok=False, found=f"{key} is a link", repair="把文件本身放在这里 / put the file itself there")
    else:
        modes = {0o400, 0o440} if Path("/run/credentials") in key.parents else {0o400}
        quoted = shlex.quote(str(key))
        owner = f" && chown {shlex.quote(settings.enforcer_user)} {quoted}" if os.getuid() == 0 and _two_users(settings) else ""
        yield Check(name=name, ok=key.stat().st_mode & 0o777 in modes, command=f"chmod 0400 {quoted}{owner}")
    inside = settings.backups in key.parents or settings.enforcer_data in key.parents
    yield Check(
        name="key file is not in the backups / 密钥不随备份", ok=not inside,
        repair=f"把 {key} 移到数据与备份之外的单独目录，并改 {placed.path} 里的 key_file / move it to a folder of its own, and say so in `key_file`")


def _two_users(settings: Settings) -> bool:
    """Return whether the enforcer's files are another user's than root, as they are once it was served by root."""
    return settings.enforcer_data.is_dir() and settings.enforcer_data.stat().st_uid != 0


def _durability(placed: Placed) -> Iterator[Check]:
    settings = placed.settings
    log = settings.enforcer_data / "log.db"
    mode = ""
    if log.exists():
        try:
            with open_regular(log) as file:  # root asks, and the folder is the enforcer's: nothing of it is opened as a database here
                head = file.read(_HEADER)
            mode = "wal" if head.startswith(_MAGIC) and head[18:20] == b"\2\2" else "not wal"
        except OSError as error:
            mode = str(error)
    yield Check(name="write-ahead log / WAL", ok=mode == "wal", repair="数据目录要在本机的盘上 / put the data folder on a local disk", found=mode)
    free = os.statvfs(settings.data).f_bavail * os.statvfs(settings.data).f_frsize if settings.data.exists() else 0
    yield Check(name="1 GB free / 磁盘余量", ok=free > 1 << 30, repair=f"在 {settings.data} 所在的盘腾出空间 / make room on the disk of {settings.data}",
                found=f"{free >> 20} MB")
    newest = _newest_backup(settings)
    fresh = newest is not None and time.time() - newest.stat().st_mtime < 7 * 86_400
    yield Check(name="backup within 7 days / 一周内有备份", ok=fresh, command=placed.command("backup"), found=newest.name if newest else "never")


def _faces(settings: Settings) -> Iterator[Check]:
    yield Check(name="two host names / 两个域名", ok=settings.desk_url != settings.counter_url, repair="set desk_url and counter_url in qianfa.toml")
    secure = all(url.startswith("https://") or ".localhost" in url for url in (settings.desk_url, settings.counter_url))
    yield Check(name="https, or only this machine / 加密访问或仅限本机", ok=secure, repair="用 TLS 提供服务 / serve TLS: docs/howto/reverse-proxy.md")
    for name, listen, folder in (
        ("desk", settings.desk, settings.desk_data), ("counter", settings.counter, settings.enforcer_data),
        ("counter_inside", settings.counter_inside, settings.enforcer_data),
    ):
        if listen.certificate is not None:
            yield _certificate(name, listen, listen.certificate, folder)


def _certificate(name: str, listen: Listen, certificate: Path, folder: Path) -> Check:
    """Judge a face's certificate and key as the user who serves that face: the one who owns its `folder`."""
    def judge() -> str:
        try:
            tls_context(certificate, listen.key)
            ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
        except ListenRefused as refused:
            return refused.en
        return f"ends {ends:%Y-%m-%d}" if ends < datetime.now(UTC) + RENEW else ""

    try:
        wrong = as_owner(folder, judge, groups=shared_group()) if folder.is_dir() else judge()
    except (OSError, ValueError) as error:
        wrong = str(error)
    return Check(
        name=f"certificate of {name} / 证书", ok=not wrong, found=wrong,
        repair=f"换发 {listen.certificate}（连同私钥 {listen.key}），再重启服务 / renew certificate and key, then restart")


def _year() -> Iterator[Check]:
    year = time.gmtime().tm_year
    known = calendar.known(date(year, 1, 4))
    yield Check(name=f"working-day calendar {year} / 调休日历", ok=known, found="" if known else "Monday–Friday is used",
                repair="装上带有今年安排的版本 / install a release of Qianfa whose calendar knows this year")


def _running(placed: Placed) -> Iterator[Check]:
    settings = placed.settings
    start = "systemctl start qianfa" if UNIT.exists() else placed.command("serve")
    name = "enforcer answers / 签发服务在运行"
    try:
        found = admin(settings, "GET", "/v1/status")
        vault = admin(settings, "GET", "/v1/vault")
    except CommandFailed as error:
        yield _isolation(settings, None)
        yield Check(name=name, ok=False, command=start, found=str(error))
        return
    yield _isolation(settings, bool(found["isolated"]))
    yield Check(name=name, ok=True)
    yield Check(name="vault is open / 密钥库已开", ok=found["state"] != "sealed", command=_unseal(placed, vault), found=found["state"])
    yield Check(name="clock is not behind the log / 时钟", ok=not found["clock_behind"], command="timedatectl set-ntp true",
                repair="校准时钟；追上后自动恢复 / set the clock; sending goes on by itself once it has caught up")
    yield Check(name="nothing unknown / 无待核实", ok=not found["queue"].get("unknown"), found=str(found["queue"]),
                repair="在工作台打开 发布 › 待核实 / open 发布 › 待核实 on the desk")
    yield Check(name="no row the log does not know / 无未登记密文", ok=not vault["unbound_rows"], found=", ".join(vault["unbound_rows"]),
                repair="重启服务；仍在时告诉审计人员（docs/howto/unseal.md） / restart it; what stays, tell the auditors")


def _isolation(settings: Settings, running: bool | None) -> Check:  # noqa: FBT001 -- three answers: yes, no, nobody to ask
    """Judge what runs by what it says of itself; where nothing runs, whether root could start it as two users."""
    name, blocked = "two users / 两个系统用户隔离", reachable(settings)
    if blocked is not None and not running:
        return Check(name=name, ok=False, found=f"{blocked} is closed to other users", command=f"chmod o+x {shlex.quote(blocked)}",
                     repair="让两个用户能经过这个目录，再以 root 重启；或把数据放在别处 / let both users pass through, then start again as root")
    ok = running if running is not None else os.getuid() == 0
    return Check(name=name, ok=ok, found="" if ok else "started without root", repair="以 root 启动 serve / start `qianfa serve` as root")


def _unseal(placed: Placed, vault: dict[str, Any]) -> str:
    """Return the command that opens the vault with a slot that it has: by the key file where it is there, else by what a person holds."""
    key, kinds = placed.settings.key_file, {slot["kind"] for slot in vault["slots"]}
    if key is not None and key.exists():
        return placed.command("vault", "unseal", "--key-file", shlex.quote(str(key)))
    return placed.command("vault", "unseal", *([] if "passphrase" in kinds else ["--recovery"]))
