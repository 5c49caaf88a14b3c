"""The demo's story, played over the public interfaces and told in the terminal: what a company sees in its first ten minutes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table

from gateway.demo.backdrop import Backdrop, backdrop
from gateway.demo.browse import Browser, Unexpected
from gateway.demo.company import D1, D2, PEOPLE
from gateway.demo.people import Player
from gateway.demo.samples import add_samples
from gateway.protocol import instants

PLAYERS: Final = ("lu", "lin", "gu", "fang", "xu", "meng")
LIVE_SECONDS: Final = 60.0
WITH_LINK: Final = replace(D1, link="https://www.heting.example/pipes")


class Story:
    """The acts, in order."""

    def __init__(self, stage: Backdrop, players: dict[str, Player], console: Console) -> None:
        self.stage, self.players, self.console = stage, players, console
        self.channel = stage.staffed.channels
        self._act = 0

    def act(self, zh: str, en: str) -> None:
        """Begin an act."""
        self._act += 1
        self.console.print()
        self.console.rule(f"[bold]{self._act} · {zh}[/bold]  [dim]{en}[/dim]", align="left")

    def say(self, line: str, *, good: bool | None = None) -> None:
        """Tell one thing."""
        mark = {True: "[green]✓[/green] ", False: "[red]⊘[/red] ", None: "  "}[good]
        self.console.print(mark + line)

    def told(self, problem: dict[str, Any]) -> None:
        """Tell a refusal as the page would: what, on what basis, what next, whom to ask."""
        ask = "、".join(f"{p['name']}（{p['office']} {p['extension']}）" for p in problem.get("ask", []))
        words = f"被拦截：{problem['title']}。依据 {problem.get('rule', '')} {problem.get('article', '')}。下一步：{problem.get('next', '')}"
        self.say(words + (f"。找谁：{ask}" if ask else ""), good=False)

    async def play(self) -> None:
        """Play every act."""
        await self.unapproved()
        await self.published()
        await self.altered()
        await self.edited()
        self.verified()
        await self.noticed()

    # ---- the acts

    async def unapproved(self) -> None:
        """An unapproved post is refused, with the reason."""
        self.act("没有签发，发不出去", "nothing unapproved gets out")
        lin, lu = self.players["lin"], self.players["lu"]
        draft = await lin.draft(WITH_LINK, self.target("weibo_unit"))
        status, answer = await lin.submit(draft)
        self._expect(status >= 400, "a post to an unfiled account was accepted")
        self.say("林岚 把稿件报审到变更备案中的微博 @禾汀乡野")
        self.told(answer)
        draft = await lu.draft(D1, self.target("wechat_unit"), title="还没有人同意的稿件")
        _status, answer = await lu.submit(draft)
        self.say("陆晓棠 报审后不等同意，自己去签发台放行")
        page = await self.refused_sheet(lu, answer)
        self.say(f"被拦截：{page}", good=False)
        self._expect(not await self.stage.ledger("wechat", "freepublish/submit"), "something was sent")
        self.say("平台台账：0 次发布调用 / the platform's ledger shows no call", good=True)
        await lu.need("POST", f"/submissions/{answer['submission']}/recall", {"command": f"recall-{answer['submission'][-12:]}"})

    async def refused_sheet(self, player: Player, submission: dict[str, Any]) -> str:
        """Post the signing form by hand, as a person who skips the page would, and return the counter's words."""
        page = await player.browser.get(f"{player.counter}/s/item/{submission['submission']}")
        form = page.form("/s/signout")
        answer = await player.browser.post(f"{player.counter}/s/sheet", {
            "form": form.fields["form"], "submission": submission["submission"], "seen": str(submission["seq"])})
        self._expect(answer.status >= 400, "the counter offered a release without approval")
        node = answer.tree.css_first("main") or answer.tree.body
        return " ".join((node.text(separator=" ") if node else answer.words()).split())[:160]

    async def published(self) -> None:
        """An article goes the whole way: submitted, approved by the unit head, released by brand & PR, public on all channels."""
        self.act("一篇稿件：报审 → 同意 → 放行 → 公开", "submitted, approved, released, public")
        lu = self.players["lu"]
        targets = [self.target(key) for key in ("wechat_group", "weibo_group", "site") if key in self.channel]
        draft = await lu.draft(D2, *targets)
        look = await lu.need("POST", "/preflight", {"draft": draft["draft"]})
        for finding in look["findings"][:2]:
            self.say(f"检查发现：{finding['zh']}")
        draft = await lu.draft(D2, *targets, weekday="星期五", draft=draft["draft"], message="已按检查结果改为星期五")
        self.say("陆晓棠 一键改为“星期五”，提交审批；按钮上方写着：" + self.route_line(await lu.need("POST", "/preflight", {"draft": draft["draft"]})))
        _status, answer = await lu.submit(draft)
        self.submission = answer["submission"]
        self.say(f"报审号 {answer['number']}")
        await self.players["gu"].sign(self.submission)
        self.say("顾长庚（禾汀灌溉总经理）在签发台看过原样后同意", good=True)
        await self.players["fang"].sign(self.submission)
        self.say("方小满（品牌公关部）放行，三个渠道各生成一张签发令", good=True)
        self.publications = await self.live(lu, self.submission, len(targets))
        words = {"wechat": "公众号", "weibo": "微博", "wordpress": "官网"}
        table = Table(show_header=True, header_style="bold", box=None, padding=(0, 2))
        for column in ("渠道", "状态", "地址"):
            table.add_column(column)
        for publication in self.publications:
            table.add_row(words[self.platform(publication["channel"])], "[green]已发布[/green]", publication["url"].split("&sn=")[0])
        self.console.print(table)

    @staticmethod
    def route_line(look: dict[str, Any]) -> str:
        """Return the route in one line, as it stands above the button."""
        return " → ".join(
            "、".join(f"{p['name']}" for p in step["people"][:2]) + step["words"].replace("禾汀灌溉科技有限公司", "") for step in look["route"]
        )

    async def altered(self) -> None:
        """A text altered after approval is refused; the approved one then goes out."""
        self.act("签发后被改动，门不放行", "altered after approval: refused")
        lu, gu = self.players["lu"], self.players["gu"]
        due = instants.from_datetime(instants.to_datetime(instants.Instant(_now())))
        draft = await lu.draft(D1, self.target("wechat_unit"), scheduled=instants.plus(due, 12))
        _status, answer = await lu.submit(draft)
        await gu.sign(answer["submission"])
        await lu.sign(answer["submission"])
        self.say("《秋收之后……》已同意、已放行，定时 12 秒后发出；这时有人直接改了服务器上待发的稿件文件")
        path, original = self._alter(answer["submission"])
        state = await self.end_of(lu, answer["submission"])
        self._expect(state == "abandoned", f"an altered text ended as {state}")
        self.say("被拦截：要发送的内容与签发的不一致（R22）。签发后被改动的稿件没有发出，已记入存证", good=False)
        path.write_bytes(original)
        await lu.sign(answer["submission"])
        done = await self.live(lu, answer["submission"], 1)
        self.say("恢复原稿、重新放行后发出的，正是当初签发的字节：", good=True)
        self.console.print(f"    {done[0]['url']}", soft_wrap=True)

    def _alter(self, submission: str) -> tuple[Path, bytes]:
        """Change the stored template of a submission on disk, as somebody with root could."""
        blobs = self.stage.settings.enforcer_data / "blobs" / "sha256"
        marks = ("秋收之后".encode(), b'"platform":"wechat"', b'"account":"' + self.stage.accounts["wechat_unit"].encode())
        newest = max((p for p in blobs.rglob("*") if p.is_file() and all(m in p.read_bytes() for m in marks)), key=lambda p: p.stat().st_mtime)
        original = newest.read_bytes()
        newest.write_bytes(original.replace("4.2公里".encode(), "9.9公里".encode()))
        self._expect(newest.read_bytes() != original, f"nothing altered for {submission}")
        return newest, original

    async def edited(self) -> None:
        """What is public is not edited without an approval of its own."""
        self.act("已公开的内容，改动要另行签发", "an edit needs its own approval")
        lu = self.players["lu"]
        site = next((p for p in self.publications if self.platform(p["channel"]) == "wordpress"), None)
        if site is None:
            self.say(f"没有官网（{self.stage.why_no_site}），这一幕跳过编辑")
            return
        draft = await lu.draft(D2, {"channel": site["channel"], "operation": "edit", "previous": site["id"]}, weekday="星期五", title=D2.title + "（更正）")
        _status, answer = await lu.submit(draft)
        self.say("陆晓棠 想把官网标题改掉，报审后不等同意就去放行")
        self.say(f"被拦截：{await self.refused_sheet(lu, answer)}", good=False)
        assert self.stage.site is not None
        _code, text = self.stage.site.public_page(site["url"])
        self._expect("（更正）" not in text, "the site was edited")
        self.say("官网上的文字没有变；这份更正在等顾长庚和品牌公关部", good=True)

    def verified(self) -> None:
        """The log verifies; one changed byte of a copy is named."""
        self.act("存证：完整可验，改一个字节就指出第几条", "the log verifies; one byte changed is named")
        done = self.cli("log", "verify")
        self._expect(done.returncode == 0, done.stdout + done.stderr)
        for line in done.stdout.splitlines():
            self.say(line.removeprefix("✓ "), good=True if line.startswith("✓") else None)
        copy = self.stage.config.parent / "copy.db"
        source = sqlite3.connect(f"file:{self.stage.settings.enforcer_data / 'log.db'}?mode=ro", uri=True)
        target = sqlite3.connect(copy)
        source.backup(target)
        body = bytes(target.execute("SELECT body FROM entries WHERE seq = 40").fetchone()[0])
        target.execute("UPDATE entries SET body = ? WHERE seq = 40", (body[:-9] + bytes([body[-9] ^ 1]) + body[-8:],))
        target.commit()
        source.close()
        target.close()
        done = self.cli("log", "verify", str(copy))
        self._expect(done.returncode == 1 and "40" in done.stdout, done.stdout + done.stderr)
        self.say("副本里第 40 条改了一个字节：" + done.stdout.splitlines()[0].lstrip("✗ "), good=False)

    async def noticed(self) -> None:
        """A row changed in the database is noticed at the next start."""
        self.act("改数据库，下次启动就发现", "a row changed in the database is noticed at the next start")
        await self.stage.serving.stop()
        path = self.stage.settings.enforcer_data / "log.db"
        original = _swap(path, 12, None)
        with contextlib.suppress(RuntimeError, TimeoutError):
            await self.stage.serving.start()
            self._expect(False, "an altered log was served")  # noqa: FBT003 -- the plain statement that this must not be reached
        said = next((line for line in reversed(self.stage.serving.tail(40).splitlines()) if "start_refused" in line), "{}")
        words = json.loads(said).get("zh", "")
        self._expect("12" in words, f"the start named nothing: {self.stage.serving.tail(5)}")
        self.say(f"启动时发现：{words}", good=False)
        _swap(path, 12, original)
        await self.stage.serving.start()
        self.say("恢复这一行后照常启动，队列无一丢失", good=True)

    # ---- helpers

    def target(self, key: str) -> dict[str, Any]:
        """Return the target that publishes on a sample channel."""
        return {"channel": self.channel[key], "operation": "publish", "previous": None}

    def platform(self, channel: str) -> str:
        """Return a channel's platform."""
        key = next(k for k, v in self.channel.items() if v == channel)
        return {"wechat": "wechat", "weibo": "weibo", "site": "wordpress"}[key.split("_")[0]]

    async def live(self, player: Player, submission: str, count: int) -> list[dict[str, str]]:
        """Wait until all of a submission's publications are public and return them."""
        end = time.monotonic() + LIVE_SECONDS
        while True:
            found: list[dict[str, str]] = (await player.need("GET", f"/submissions/{submission}"))["publications"]
            newest = {p["channel"]: p for p in found}
            if len(newest) >= count and all(p["state"] == "live" for p in newest.values()):
                return list(newest.values())
            self._expect(time.monotonic() < end, f"not public in time: {found}")
            await asyncio.sleep(0.2)

    async def end_of(self, player: Player, submission: str) -> str:
        """Wait until a submission's only publication has left its way and return its state."""
        end = time.monotonic() + LIVE_SECONDS
        while True:
            found = (await player.need("GET", f"/submissions/{submission}"))["publications"]
            if found and found[-1]["state"] not in {"held", "intended", "prepared", "dispatched", "pending"}:
                return str(found[-1]["state"])
            self._expect(time.monotonic() < end, f"no end in time: {found}")
            await asyncio.sleep(0.2)

    def cli(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command line as its user would."""
        command = [sys.executable, "-m", "gateway", *words, "--config", str(self.stage.config)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)

    @staticmethod
    def _expect(holds: bool, otherwise: str) -> None:  # noqa: FBT001 -- reads as a sentence
        if not holds:
            raise Unexpected(otherwise)


def _now() -> str:
    from gateway.clock import Clock

    return Clock().now()


def _swap(path: Path, seq: int, body: bytes | None) -> bytes:
    """Change entry `seq` in the database by hand (or put `body` back) and return what stood there."""
    connection = sqlite3.connect(path)
    before = bytes(connection.execute("SELECT body FROM entries WHERE seq = ?", (seq,)).fetchone()[0])
    after = body if body is not None else before.replace(b'"actor"', b'"Actor"', 1)
    connection.execute("UPDATE entries SET body = ? WHERE seq = ?", (after, seq))
    connection.commit()
    connection.close()
    return before


async def enter_players(stack: AsyncExitStack, stage: Backdrop, keys: Sequence[str]) -> dict[str, Player]:
    """Give each person a browser, sign them in at the counter, and pair the authors' devices."""
    found: dict[str, Player] = {}
    names = {someone.key: someone.name for someone in PEOPLE}
    inside = f"http://counter.localhost:{stage.settings.counter_inside.port}"
    for key in keys:
        browser = await stack.enter_async_context(Browser())
        found[key] = Player(
            name=names[key], person=stage.staffed.people[key], secret=stage.staffed.secrets[key], counter=stage.settings.counter_url,
            inside=inside, desk=stage.settings.desk_url, browser=browser,
        )
        await found[key].sign_in()
    for key in ("lu", "lin"):
        await found[key].pair()
    return found


async def _play(folder: Path, *, once: bool, wordpress: bool, console: Console) -> int:
    began = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - began:5.1f} s[/dim]  {line}")

    console.print(Panel("签发 Qianfa 演示：沙箱里的禾汀集团\nthe sample company in the sandbox; nothing here leaves this machine", style="red"))
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(backdrop(folder, wordpress=wordpress, say=say))
        players = await enter_players(stack, stage, PLAYERS)
        story = Story(stage, players, console)
        await story.play()
        console.print()
        with console.status("补齐样例：待办、待核实、冻结、异动…… / adding samples of every state"):
            await add_samples(story)
        console.print(Panel(
            f"身份卡（点一下就以此人登录，卡上有正在走的动态码）：\n[bold]{stage.settings.counter_url}/s/demo[/bold]\n"
            f"工作台 desk：{stage.settings.desk_url}\n签发台 counter：{stage.settings.counter_url}/s/\n"
            f"内部操作 inside：http://counter.localhost:{stage.settings.counter_inside.port}/i/changes\n"
            f"用时 {time.monotonic() - began:.0f} 秒", title="演练环境 · 沙箱", style="red"))
        if not once:
            console.print("按 Ctrl-C 结束 / Ctrl-C ends it")
            await _until_interrupted()
    return 0


async def _until_interrupted() -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await stop.wait()


def play(folder: Path, *, once: bool, wordpress: bool) -> int:
    """Play the demo under `folder` and return the exit status."""
    console = Console(width=min(120, shutil.get_terminal_size((110, 24)).columns), highlight=False)
    try:
        return asyncio.run(_play(folder, once=once, wordpress=wordpress, console=console))
    except Unexpected as error:
        console.print(f"[red]演示没有按预期进行 / the demo did not go as expected[/red]: {error}")
        log = folder / "serve.log"
        if log.exists():
            console.print("\n".join(log.read_text(errors="replace").splitlines()[-15:]), markup=False)
        return 1
