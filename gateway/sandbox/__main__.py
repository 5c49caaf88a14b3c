"""Runs both sandboxes on loopback until interrupted, and prints where they listen as one line of JSON."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from gateway.sandbox.clock import SandboxClock
from gateway.sandbox.running import running
from gateway.sandbox.wechat.app import WeChat
from gateway.sandbox.weibo.app import Weibo


def main(arguments: list[str] | None = None) -> int:
    """Parse the command line and serve; port 0 takes any free port."""
    parser = argparse.ArgumentParser(prog="python -m gateway.sandbox", description=__doc__)
    parser.add_argument("--wechat-port", type=int, default=0)
    parser.add_argument("--weibo-port", type=int, default=0)
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--state", default="memory", help="a folder to keep the state in, or: memory")
    chosen = parser.parse_args(arguments)
    folder = None if chosen.state == "memory" else Path(chosen.state)
    asyncio.run(_serve(folder, chosen.wechat_port, chosen.weibo_port, chosen.control_port))
    return 0


async def _serve(folder: Path | None, wechat_port: int, weibo_port: int, control_port: int) -> None:
    clock = SandboxClock()
    wechat = WeChat(clock=clock, folder=folder / "wechat" if folder else None)
    weibo = Weibo(clock=clock, folder=folder / "weibo" if folder else None)
    wechat.save()
    weibo.save()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with running([wechat, weibo], [wechat_port, weibo_port], control_port) as control:
        account, app = wechat.account(), weibo.app()
        where = {
            "wechat": {"base_url": wechat.base_url, "appid": account.appid, "secret": account.secret},
            "weibo": {"base_url": weibo.base_url, "appkey": app.appkey, "secret": app.secret, "uid": str(weibo.user().uid)},
            "control": control,
        }
        sys.stdout.write(json.dumps(where, ensure_ascii=False) + "\n")
        sys.stdout.flush()
        with contextlib.suppress(asyncio.CancelledError):
            await stop.wait()


if __name__ == "__main__":
    sys.exit(main())
