"""The enforcer's composition root: the one place that names connectors, and where every part meets every other.

`Enforcer.open` verifies and replays the log, `serve` opens the faces and runs until stopped. The process leaves with `EXIT_LOG` when an
append failed: what is durable is unknown then, and the next start verifies before anything is sent.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, Self

import structlog

from gateway.clock import Clock
from gateway.config import PROGRESS, Settings
from gateway.connectors.base import Connector
from gateway.connectors.wechat import WeChatConnector
from gateway.connectors.weibo import WeiboConnector
from gateway.connectors.wordpress import WordPressConnector
from gateway.enforcer.admin import init_admin
from gateway.enforcer.building import build
from gateway.enforcer.counter import init_counter
from gateway.enforcer.lifecycle import Lifecycle
from gateway.enforcer.metrics import init_metrics
from gateway.enforcer.parts import Parts
from gateway.enforcer.progress import StartProgress
from gateway.enforcer.sessions import Sessions
from gateway.enforcer.socket import init_socket
from gateway.enforcer.startup import Progress, StartRefused
from gateway.enforcer.watchdog import Watchdog, leave_with
from gateway.enforcer.worker import Worker
from gateway.listening import EXIT_CONFIG, ListenRefused, serve_tcp, serve_unix
from gateway.log.errors import LogUnavailable
from gateway.protocol.denials import Denied
from vault.errors import VaultError
from vault.process import harden
from vault.slots import Argon2Policy, SlotSecret, open_credential

log = structlog.get_logger("enforcer")

EXIT_LOG: Final = 75
"""Exit status after a failed append: start again, verify, replay (EX_TEMPFAIL of sysexits.h)."""
ROOM_EVERY: Final = 1.0
"""Seconds between two looks at the room for the copy, while a start waits for some."""
LAST_WORDS: Final = 0.3
"""Seconds in which callers are still told that the log is unavailable."""
EXIT_REFUSED: Final = 65
"""Exit status of a start that was refused: a person must look; starting again changes nothing (EX_DATAERR)."""


def default_connectors() -> dict[str, Connector]:
    """Return every platform this enforcer can talk to."""
    connectors: tuple[Connector, ...] = (WeChatConnector(), WeiboConnector(), WordPressConnector())
    return {connector.platform: connector for connector in connectors}


class Enforcer:
    """One running enforcer."""

    def __init__(
        self, settings: Settings, *, connectors: Mapping[str, Connector] | None = None, isolated: bool = False,
        argon2: Argon2Policy | None = None, worker: Worker | None = None, clock: Clock | None = None, desk_uid: int | None = None,
        key: int | None = None,
    ) -> None:
        self.settings = settings
        self._key = key
        self._connectors = dict(connectors) if connectors is not None else default_connectors()
        self._isolated = isolated
        self._argon2 = argon2
        self._clock = clock
        self._desk_uid = os.getuid() if desk_uid is None else desk_uid
        self.worker = worker or Worker()
        self.stopped = asyncio.Event()
        self.exit_status = 0
        self._stack = AsyncExitStack()
        self.parts: Parts
        self.lifecycle: Lifecycle
        self.sessions: Sessions
        self.ports: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def open(self, progress: Progress | None = None) -> None:
        """Verify, replay, check the stored rows against the log, and put the parts together; sealed afterwards.

        Raises:
            StartRefused: log, sealed rows or settings are not what was signed, or another enforcer runs here.
            LogUnavailable: the log cannot be read.
        """
        harden(lock_memory=False)
        self.worker.start()
        self._stack.callback(self.worker.close)
        self.parts, self.lifecycle = await build(
            self.settings, self._stack, connectors=self._connectors, worker=self.worker, isolated=self._isolated, argon2=self._argon2,
            clock=self._clock, on_broken=self._log_broke, progress=progress,
        )
        self.sessions = Sessions(self.settings.enforcer_data / "ephemeral.db", self.parts.runner)
        self._stack.callback(self.sessions.close)

    def _log_broke(self, error: LogUnavailable) -> None:
        log.error(
            "the log cannot be written; leaving, to verify at the next start", action="log_broken", code=error.code, reason=str(error),
            zh="存证写不进去，进程退出，重启后先核对再发送")
        self.exit_status = EXIT_LOG
        self.stopped.set()

    async def unseal_by_key_file(self) -> bool:
        """Open the vault with the configured key file; False where there is none, it does not open it (said in the log lines), or not yet.

        Without room for a line of the copy nothing can be logged: the enforcer serves sealed, and opens the vault as soon as there is some.

        Raises:
            LogUnavailable: the log or the copy failed.
        """
        if self.settings.key_file is None:
            return False
        if not self.parts.runner.reserve.copy_full:
            return await self._unseal()
        log.error("no room for the checkpoint copy: sealed until there is", action="unseal_waits", zh="外部副本所在的盘没有空间：腾出之前保持锁定")
        waiting = asyncio.get_running_loop().create_task(self._unseal_later(), name="unseal")
        self._stack.callback(waiting.cancel)
        return False

    async def _unseal_later(self) -> None:
        reserve = self.parts.runner.reserve
        while self.parts.vault.sealed and self.parts.sealed_by == "start":  # else a person was here in the meantime
            if await asyncio.to_thread(lambda: reserve.copy_full):
                await asyncio.sleep(ROOM_EVERY)
                continue
            try:
                await self._unseal()
            except LogUnavailable as error:
                self._log_broke(error)
            return

    async def _unseal(self) -> bool:
        path, key, self._key = self.settings.key_file, self._key, None
        if path is None:
            return False
        try:
            await self.lifecycle.unseal(SlotSecret.from_key_file(path) if key is None else SlotSecret.from_open_key_file(key))
        except (VaultError, Denied) as error:
            log.error("the key file does not open the vault", action="unseal_failed", error=type(error).__name__, reason=str(error))
            return False
        return True

    async def listen(self) -> None:
        """Open the faces: command socket, admin socket, counter (outside and inside), metrics."""
        settings, parts = self.settings, self.parts
        outside, inside = init_counter(parts, self.sessions)
        self.ports["counter"] = await serve_tcp(self._stack, outside, settings.counter)
        self.ports["counter_inside"] = await serve_tcp(self._stack, inside, settings.counter_inside)
        if settings.metrics is not None:
            self.ports["metrics"] = await serve_tcp(self._stack, init_metrics(parts), settings.metrics)
        own = frozenset({os.getuid(), 0})
        desk = frozenset({self._desk_uid, os.getuid()})
        await serve_unix(self._stack, init_socket(parts, self.sessions, peer_uids=desk), settings.command_socket, mode=0o660)
        await serve_unix(self._stack, init_admin(parts, self.lifecycle, peer_uids=own), settings.admin_socket, mode=0o600)

    async def close(self) -> None:
        """Let calls in flight end, close the log, forget the keys, close the faces."""
        if hasattr(self, "lifecycle"):
            try:
                await self.lifecycle.seal("stop")
            except LogUnavailable as error:
                log.error("stopped with an unwritable log", action="stop_unclean", code=error.code)
                self.exit_status = EXIT_LOG
        await self._stack.aclose()


def settle() -> None:
    """Take what the replay made out of the collector's sight and let it look less often; called once, when the log is replayed.

    The state lives as long as the process, and hardly anything made later is a cycle: passes over it would only hold up every send.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


def open_systemd_key(settings: Settings) -> int | None:
    """Return the opened key file where it is a credential of systemd's, which after the drop to another user is out of reach; else None.

    Nothing is read yet: the keyless worker is not there.
    """
    path = settings.key_file
    if path is None or not settings.key_from_systemd:
        return None
    try:
        return open_credential(path)
    except VaultError as error:
        log.error("the key file does not open the vault", action="unseal_failed", error=type(error).__name__, reason=str(error))
        return None


async def run(
    settings: Settings, *, isolated: bool, desk_uid: int | None = None, ready: Path | None = None, worker: Worker | None = None,
    key: int | None = None,
) -> int:
    """Run an enforcer until SIGTERM or SIGINT, and return its exit status; `ready` is written once the faces are open.

    `key` is what `open_systemd_key` opened.
    """
    async with Enforcer(settings, isolated=isolated, desk_uid=desk_uid, worker=worker, key=key) as enforcer:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, enforcer.stopped.set)
        try:
            progress = StartProgress(ready.with_name(PROGRESS) if ready is not None else None)
            await enforcer.open(progress=progress)
            progress.done()
            settle()
            await enforcer.unseal_by_key_file()
            await enforcer.listen()
        except StartRefused as refused:
            log.error(refused.en, action="start_refused", zh=refused.zh)
            return EXIT_REFUSED
        except ListenRefused as refused:
            log.error(refused.en, action="listen_refused", zh=refused.zh)
            return EXIT_CONFIG
        except LogUnavailable as error:
            log.error(
                "the log cannot be opened: look at the disk of the data folder and of the checkpoint copy", action="start_failed", code=error.code,
                zh="存证打不开：请检查数据目录和外部副本所在的盘（空间、只读、故障）", reason=str(error))
            return EXIT_LOG
        watchdog = Watchdog(leave_with(EXIT_LOG, '{"action": "hung", "event": "the process stands still (a hanging disk?); leaving", "level": "error"}'))
        if ready is not None:
            ready.write_text(str(os.getpid()))
        log.info("ready", action="ready", sealed=enforcer.parts.runner.sealed, entries=enforcer.parts.runner.state.size)
        await enforcer.stopped.wait()
        if enforcer.exit_status == EXIT_LOG:
            await asyncio.sleep(LAST_WORDS)
            os._exit(EXIT_LOG)  # the log's thread may hang in the disk for ever; nothing may wait for it
        watchdog.close()
    return enforcer.exit_status

