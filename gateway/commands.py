"""What the command line does, apart from parsing and printing."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp

from gateway.config import Listen, Settings
from gateway.launcher import Launcher, LaunchRefused, identity, prepare_users, reachable, run_face
from gateway.log.errors import LogUnavailable
from gateway.ownership import as_owner, user_name
from gateway.place import spelt


class CommandFailed(Exception):
    """The command could not be done; the message says what and what to do next, `status` what to leave with."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class NotRunning(CommandFailed):
    """No enforcer listens at the admin socket."""


# ---- founding and serving ---------------------------------------------------------------------------------------------


def init(
    *, data: Path, config: Path | None, kind: str, company: str, founders: Sequence[str], desk_url: str, counter_url: str,
    copies: Path | None, backups: Path | None, key_file: Path | None, desk_port: int, counter_port: int, inside_port: int,
    bases: Sequence[str], passphrase: str | None, proxies: Sequence[str] = (), inside_url: str = "",
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
            "counter_inside_url": inside_url.rstrip("/") or _inside_url(counter_url, inside_port),
            "data": data, "run": data / "run", "copies": copies or data / "copies" / "checkpoints", "backups": backups or data / "backups",
            "desk": Listen(port=desk_port), "counter": Listen(port=counter_port), "counter_inside": Listen(port=inside_port),
            "key_file": None if key_file is not None and str(key_file) == "none" else key_file or data / "keys" / "vault.key",
            "trusted_proxies": tuple(proxies),
            "bases": dict(base.split("=", 1) for base in bases),
        })
        if os.getuid() == 0:
            prepare_users(draft)
        return founding.found(draft, group_name=company, people=founders, passphrase=passphrase, config=config)
    except founding.AlreadyFounded as error:
        raise CommandFailed(f"there is a deployment already: {error}") from error
    except PermissionError as error:
        raise CommandFailed(
            f"{error.filename} 不归您（{user_name()}）写。请用 root 运行，或用 --data 指定您自己的目录，例如 --data ~/qianfa / "
            f"you ({user_name()}) may not write {error.filename}: run this as root, or name a folder of your own, such as --data ~/qianfa",
        ) from error
    except (ValueError, OSError, LaunchRefused) as error:
        raise CommandFailed(str(error)) from error


def _inside_url(counter_url: str, port: int) -> str:
    """Return the inside listener's address for a counter on this machine; behind a proxy both faces have one address."""
    parts = urlsplit(counter_url)
    return f"{parts.scheme}://{parts.hostname}:{port}" if (parts.hostname or "").endswith(".localhost") else ""


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
    yield f"    {spelt(config, 'serve')}"
    yield f"    {spelt(config, 'doctor')}"
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
        raise CommandFailed(str(error), error.status) from error
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
            raise NotRunning(f"签发服务没有运行 / no enforcer runs at {settings.admin_socket}: start it with `qianfa serve`") from error
        raise CommandFailed(
            f"签发服务不回答你，请用 root / the enforcer does not answer you at {settings.admin_socket} ({type(error).__name__}): use root or its own user",
        ) from error
    if response.status >= 400:
        said = f"{answer.get('kind', '')} {answer.get('reason', answer.get('code', ''))}".strip()
        words = _REFUSED.get(answer.get("reason", ""))
        raise CommandFailed(answer.get("title") or (f"{words} ({said})" if words else said))
    return answer


_REFUSED: Final = {
    "already_unsealed": "密钥库已经开着 / the vault is open already",
    "sealed": "密钥库锁着，先 qianfa vault unseal / the vault is sealed: `qianfa vault unseal` first",
    "wrong_key": "打不开：密码、恢复密钥或密钥文件不是这个密钥库的 / this passphrase, recovery key or key file opens no slot of this vault",
    "recovery_mistyped": "恢复密钥抄错了：照卡片重输 / the recovery key is mistyped: type it again from the card",
    "passphrase_length": "密码至少 12 个字符 / a passphrase has 12 characters or more",
    "key_file_missing": "密钥文件不在那里 / the key file is not there",
    "key_file_folder": "systemd 凭据的目录须属于 root 且不向他人开放 / the folder of systemd's credential must be root's and closed to others",
    "key_file_mode": "密钥文件须为 0400 / the key file must have mode 0400",
    "key_file_owner": "密钥文件须属于签发服务的用户 / the key file must belong to the enforcer's user",
    "key_file_link": "密钥文件不得是链接，也不得有第二个名字 / the key file must be no link and have one name only",
    "last_slot": "最后一个开锁方式不能删：先加一个 / the last slot stays: add another first",
    "unknown_slot": "没有这个开锁方式，见 qianfa vault status / there is no such slot: see `qianfa vault status`",
}
"""What the vault refuses (`vault.errors`, by its `reason`), for whoever types the command."""


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
        if found["state"] == "sealed":
            yield f"{zh}；在此之前打不开密钥库 / {en}: until then the vault cannot be opened"
        else:
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

    desk = settings.backups / f"desk-{time.time_ns()}.part" if os.getuid() == 0 else None
    try:
        if desk is not None:
            backup.copy_desk(settings, desk)
        try:
            return str(admin(settings, "POST", "/v1/backup", {"desk": str(desk)} if desk else {})["path"])
        except NotRunning:
            return as_owner(settings.enforcer_data, lambda: str(backup.make(settings, desk=desk)))
    except (OSError, sqlite3.Error) as error:
        raise CommandFailed(f"备份没有做成，什么也没有留下 / the backup failed and left nothing: {error}") from error
    finally:
        if desk is not None:  # where it was taken over, nothing bears its name any more
            shutil.rmtree(desk, ignore_errors=True)


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
        return backup.restore(settings, folder.resolve(), owners=_owners(settings))
    except (backup.RestoreRefused, OSError, LogUnavailable, LaunchRefused) as error:
        raise CommandFailed(str(error)) from error


def restored_lines(restored: Any) -> Iterator[str]:
    """Yield what a restore did and what follows from it."""
    yield f"恢复了 {restored.entries} 条存证 / restored {restored.entries} entries"
    if restored.kept_copy is None:
        yield "这里没有外部副本可比：之后还有没有更新的存证，看原来那份副本 / no copy was here to compare with: whether there are newer entries, the old copy knows"
    else:
        yield f"另有 {restored.lost} 条更新的只在旧副本里 / {restored.lost} newer entries are only in the old copy: {restored.kept_copy}"
    yield "下次开锁时开始新纪元：未走完的审批作废重签；正在发送的核实后定，绝不重发"
    yield "At the next unsealing a new incarnation begins: open approvals end, sends that were under way are read back, never repeated."


def _owners(settings: Settings) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """As root, where two users can work: return whose the enforcer's and the desk's files are, the users made where this machine has none yet."""
    if os.getuid() != 0 or reachable(settings) is not None:
        return None
    prepare_users(settings)
    enforcer, desk = identity(settings.enforcer_user), identity(settings.desk_user)
    return (enforcer.uid, enforcer.gid), (desk.uid, desk.gid)
