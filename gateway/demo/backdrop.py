"""The demo's backdrop: sandbox platforms, a real WordPress where it can be had, a founded and seeded deployment, both processes.

Everything runs as the programs a company would run: `python -m gateway serve` and the sandbox are processes of their own, spoken to
only over their public interfaces. The tests that need the whole of it use the same backdrop.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import aiohttp

from gateway.config import Listen, Notices, Settings, dump
from gateway.connectors.wechat import WeChatConnector
from gateway.connectors.weibo import WeiboConnector
from gateway.connectors.wordpress import WordPressConnector
from gateway.demo.company import CHANNELS, FOUNDERS, GROUP_NAME
from gateway.demo.seed import Staffed, seed
from gateway.demo.wordpress import WordPressSite, WordPressUnavailable, running_wordpress
from gateway.enforcer import founding
from gateway.enforcer.founding import Founded
from gateway.launcher import LaunchRefused, prepare_users

SAFE_DOMAINS: Final = "heting.example"
START_SECONDS: Final = 60.0
SECRET_KEYS: Final = ("secret", "access_token", "application_password")


@dataclass(slots=True, kw_only=True)
class Backdrop:
    """What runs: settings, who is who, the platforms' addresses and control port, the site, and the two processes' parent."""

    settings: Settings
    config: Path
    founded: Founded
    staffed: Staffed
    wechat: str
    weibo: str
    control: str
    site: WordPressSite | None
    why_no_site: str
    serving: Serving
    accounts: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    async def ledger(self, platform: str, endpoint: str) -> list[dict[str, Any]]:
        """Return the sandbox's calls with an effect at an endpoint."""
        found: list[dict[str, Any]] = (await self.ask("GET", f"/ledger?platform={platform}&endpoint={endpoint}&effect=1"))["records"]
        return found

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Call the sandbox's control port."""
        async with aiohttp.ClientSession() as session, session.request(method, self.control + path, json=body) as response:
            return await response.json(content_type=None)


class Serving:
    """`python -m gateway serve` as a child process; may be stopped and started again."""

    def __init__(self, config: Path, settings: Settings, log: Path) -> None:
        self._config, self._settings, self._log = config, settings, log
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start and wait until both faces answer.

        Raises:
            RuntimeError: they did not, with the last lines of their output.
        """
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: ASYNC220 -- waited for in a thread
                [sys.executable, "-m", "gateway", "serve", "--config", str(self._config)], stdout=log, stderr=log, start_new_session=True,
            )
        async with asyncio.timeout(START_SECONDS):
            while not await self._up():
                if self._process.poll() is not None:
                    raise RuntimeError("serve ended:\n" + self.tail())
                await asyncio.sleep(0.05)

    async def _up(self) -> bool:
        for listen in (self._settings.desk, self._settings.counter):
            with contextlib.suppress(OSError):
                _reader, writer = await asyncio.open_connection("127.0.0.1", listen.port)
                writer.close()
                continue
            return False
        return True

    def tail(self, lines: int = 20) -> str:
        """Return the last lines of the processes' output."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-lines:])

    @property
    def pid(self) -> int:
        """The launcher's process id."""
        assert self._process is not None
        return self._process.pid

    async def stop(self) -> int:
        """End both processes and return the launcher's status; kills what does not end."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return process.returncode if process is not None else 0
        process.terminate()
        try:
            return await asyncio.to_thread(process.wait, 45)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return await asyncio.to_thread(process.wait)


@asynccontextmanager
async def backdrop(
    folder: Path, *, wordpress: bool = True, say: Callable[[str], None] = lambda _line: None, notices: Notices | None = None,
    demo_cards: bool = True,
) -> AsyncIterator[Backdrop]:
    """Put everything up under `folder` (emptied first), yield it, and take it down again."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    folder = folder.resolve()
    async with AsyncExitStack() as stack:
        say("启动沙箱：微信、微博 / starting the sandbox platforms")
        where = await stack.enter_async_context(_sandbox(folder))
        site, why = None, ""
        if wordpress:
            say("安装并启动真实的 WordPress / installing and starting a real WordPress")
            try:
                site = await stack.enter_async_context(running_wordpress(folder / "wordpress"))
            except WordPressUnavailable as error:
                why = error.reason
                say(f"没有 WordPress，演示其余部分 / no WordPress here: {why}")
        say("初始化：密钥库、存证、恢复钥、指纹 / founding: vault, log, recovery key, fingerprint")
        founded, config = _found(folder, where, notices or Notices(), demo_cards=demo_cards)
        credentials, accounts = await _credentials(where, site)
        connectors = {c.platform: c for c in (WeChatConnector(), WeiboConnector(), WordPressConnector())}
        say("建档：9 人、5 个渠道，每项变更由两人签 / staffing the company, every change by two people")
        staffed = await seed(founded.settings, founded, connectors, credentials)
        serving = Serving(config, founded.settings, folder / "serve.log")
        stack.push_async_callback(serving.stop)
        say("启动两个进程 / starting both processes")
        await serving.start()
        yield Backdrop(
            settings=founded.settings, config=config, founded=founded, staffed=staffed, wechat=where["wechat"]["base_url"],
            weibo=where["weibo"]["base_url"], control=where["control"], site=site, why_no_site=why, serving=serving, accounts=accounts,
            secrets=tuple(form[key] for _account, form, _settings in credentials.values() for key in SECRET_KEYS if key in form),
        )


@asynccontextmanager
async def _sandbox(folder: Path) -> AsyncIterator[dict[str, Any]]:
    log = (folder / "sandbox.log").open("ab")
    process = subprocess.Popen([sys.executable, "-m", "gateway.sandbox"], stdout=subprocess.PIPE, stderr=log, start_new_session=True)  # noqa: ASYNC220 -- as above
    try:
        assert process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(process.stdout.readline), START_SECONDS)
        if not line:
            raise RuntimeError("the sandbox did not start: " + (folder / "sandbox.log").read_text()[-400:])
        yield json.loads(line)
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        log.close()


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on now, below those that the system gives to outgoing connections: none of these takes one meanwhile."""
    found: set[int] = set()
    while len(found) < count:
        port = 10_000 + secrets.randbelow(20_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.add(port)
    return list(found)


def _found(folder: Path, where: dict[str, Any], notices: Notices, *, demo_cards: bool) -> tuple[Founded, Path]:
    desk, counter, inside = free_ports(3)
    kind: Literal["sandbox"] = "sandbox"
    draft = Settings(
        deployment="new", kind=kind, log_key="new", desk_url=f"http://desk.localhost:{desk}", counter_url=f"http://counter.localhost:{counter}",
        counter_inside_url=f"http://counter.localhost:{inside}",
        data=folder / "data", run=folder / "run", copies=folder / "copies" / "checkpoints", backups=folder / "backups",
        desk=Listen(port=desk), counter=Listen(port=counter), counter_inside=Listen(port=inside), key_file=folder / "keys" / "vault.key",
        bases={"wechat": where["wechat"]["base_url"], "weibo": where["weibo"]["base_url"]}, demo_cards=demo_cards, notices=notices,
    )
    if os.getuid() == 0:
        with contextlib.suppress(LaunchRefused):
            prepare_users(draft)
    config = folder / "qianfa.toml"
    founded = founding.found(draft, group_name=GROUP_NAME, people=FOUNDERS, config=config)
    config.write_text(dump(founded.settings), encoding="utf-8")
    return founded, config


async def _credentials(where: dict[str, Any], site: WordPressSite | None) -> tuple[dict[str, Any], dict[str, str]]:
    """Make an account for every sample channel and return account, credential form and settings by channel key."""
    found: dict[str, Any] = {}
    async with aiohttp.ClientSession() as session:
        for channel in CHANNELS:
            if channel.platform == "wechat":
                body = {"platform": "wechat", "name": channel.name, "publish_seconds": 1.0}
                made = await _create(session, where["control"], body)
                found[channel.key] = (made["appid"], {"appid": made["appid"], "secret": made["secret"]}, {})
            elif channel.platform == "weibo":
                name = channel.name.removeprefix("@")
                body = {"platform": "weibo", "screen_name": name, "app": {"name": "禾汀签发", "safe_domains": [SAFE_DOMAINS]}}
                made = await _create(session, where["control"], body)
                form = {"access_token": made["access_token"], "uid": str(made["uid"]), "app": "禾汀签发"}
                found[channel.key] = (str(made["uid"]), form, {"safe_domains": SAFE_DOMAINS})
            elif site is not None:
                form = {"user": site.editor.user, "application_password": site.editor.application_password}
                found[channel.key] = ("news.heting.example", form, {"site": site.base_url})
    return found, {key: account for key, (account, _form, _settings) in found.items()}


async def _create(session: aiohttp.ClientSession, control: str, body: dict[str, Any]) -> dict[str, Any]:
    async with session.post(control + "/accounts", json=body) as response:
        answer: dict[str, Any] = await response.json(content_type=None)
        if response.status != 200:
            raise RuntimeError(f"the sandbox refused an account: {answer}")
        return answer
