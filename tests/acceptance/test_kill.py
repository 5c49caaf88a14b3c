"""kill -9 of the enforcer at every step of the gate and at random times: at most one effect, nothing lost, and the log whole every time.

Judged by the sandbox's own ledger and by the log as it lies on disk, never by what the enforcer says of itself.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.clock import Clock
from gateway.config import load
from gateway.connectors.wechat import WeChatConnector
from gateway.log.store import StoreReader
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.entries import load as load_entry
from gateway.sandbox.running import running_wechat
from gateway.sandbox.wechat.app import WeChat
from tests.acceptance.killing import POINTS
from tests.gateway.enforcer.house import article, found_house, open_house, verdict

SUBMIT = "freepublish/submit"
CHILD = Path(__file__).with_name("killing.py")
ENDS = frozenset({
    EntryType.PUBLICATION_LIVE, EntryType.PUBLICATION_REJECTED, EntryType.PUBLICATION_ABANDONED, EntryType.PUBLICATION_STOPPED,
    EntryType.PUBLICATION_MISSED, EntryType.PUBLICATION_ABSENT,
})


@dataclass
class Site:
    """A deployment at rest with released publications, and the platform it sends to."""

    folder: Path
    wechat: WeChat
    publications: Sequence[str]

    async def child(self, point: str = "", seconds: float = 30.0, kill_after: float | None = None) -> int:
        """Run the enforcer in a child of its own until it rests, dies, or is killed; return its status."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), str(self.folder), point, str(seconds), *self.publications,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE)
        if kill_after is not None:
            await asyncio.sleep(kill_after)
            if process.returncode is None:
                process.kill()
        _, said = await process.communicate()
        assert process.returncode in {0, -signal.SIGKILL}, said.decode()[-2000:]
        return int(process.returncode or 0)

    def entries(self) -> list[Entry]:
        """Return the log as it lies on disk."""
        with StoreReader.open_readonly(load(self.folder / "data" / "qianfa.toml").enforcer_data / "log.db") as store:
            return [load_entry(body) for body in store.read(0, store.size())]

    def judge(self) -> None:
        """Hold log and ledger to what must be true at every moment, whatever was killed when."""
        assert not verdict(load(self.folder / "data" / "qianfa.toml"))
        entries = self.entries()
        for publication in self.publications:
            mine = [entry for entry in entries if entry.object == publication]
            kinds = [entry.type for entry in mine]
            assert kinds.count(EntryType.PUBLICATION_INTENDED) <= 1
            assert kinds.count(EntryType.PUBLICATION_DISPATCHED) <= 1
            assert sum(kind in ENDS for kind in kinds) <= 1
            drafts = {str(entry.data["value"]) for entry in mine if entry.type == EntryType.PUBLICATION_HANDLE and entry.data["name"] == "draft"}
            sent = [call for call in self.wechat.ledger.calls(SUBMIT) if call.fields.get("media_id") in drafts]
            assert len(sent) <= 1
            assert not sent or EntryType.PUBLICATION_DISPATCHED in kinds
        assert len(self.wechat.ledger.calls(SUBMIT)) <= len(self.publications)
        dispatched = sum(entry.type == EntryType.PUBLICATION_DISPATCHED for entry in entries)
        assert len(self.wechat.ledger.effects(SUBMIT)) <= dispatched

    def last(self, publication: str) -> str:
        """Return the kind of the newest entry that says where a publication stands."""
        return [e.type for e in self.entries() if e.object == publication and e.type.startswith("publication.")][-1]

    def rested(self) -> None:
        """Every publication has exactly one end, or is UNKNOWN and reads back."""
        for publication in self.publications:
            kinds = [entry.type for entry in self.entries() if entry.object == publication]
            ends = sum(kind in ENDS for kind in kinds)
            assert ends == 1 or (ends == 0 and kinds[-1] == EntryType.PUBLICATION_UNKNOWN)


APPID, SECRET = "wx0123456789abcdef", "0123456789abcdef0123456789abcdef"
COUNT = 5


@pytest.fixture(scope="module")
def staffed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Found and staff a deployment once, with five released articles that nothing has sent; every test works on a copy."""
    folder = tmp_path_factory.mktemp("staffed")

    async def make() -> list[str]:
        founded = found_house(folder, bases={"wechat": "http://127.0.0.1:9"})
        publications: list[str] = []
        async with open_house(folder, {"wechat": WeChatConnector()}, codes=founded.codes) as house:
            await house.staff()
            await house.add_channel("news", "wechat", APPID, {"appid": APPID, "secret": SECRET})
            await house.lifecycle._stop_timers()
            for number in range(COUNT):
                submission = await house.submit(article(title=f"第{number + 1}篇", cover=house.cover()), "news")
                publications += await house.release(submission)
        return publications

    return folder, asyncio.run(make())


@pytest.fixture
async def site(staffed: tuple[Path, list[str]], tmp_path: Path) -> AsyncIterator[Site]:
    """Copy the staffed deployment and run a WeChat sandbox for it whose reviews pass at once."""
    origin, publications = staffed
    folder = tmp_path / "site"
    shutil.copytree(origin, folder)
    async with running_wechat() as wechat:
        wechat.add_account(APPID, secret=SECRET).publish_seconds = 0.05
        config = folder / "data" / "qianfa.toml"
        text = config.read_text(encoding="utf-8").replace(str(origin), str(folder)).replace("http://127.0.0.1:9", wechat.base_url)
        config.write_text(text, encoding="utf-8")
        yield Site(folder, wechat, publications)


def before_dispatch(point: str) -> bool | None:
    """Return True where a point lies before the licence to send, False after it, None for points of the log itself."""
    names = list(POINTS)
    if point.startswith(("inside", "after a whole")):
        return None
    return names.index(point) <= names.index("before dispatch")


@pytest.mark.parametrize("point", list(POINTS))
async def test_killed_at_a_point_and_started_again(site: Site, point: str) -> None:
    """Killed at this point and started again: one effect at most, one end or an UNKNOWN that reads back, and the log verifies each time."""
    assert await site.child(point) == -signal.SIGKILL
    site.judge()
    assert await site.child() == 0
    site.judge()
    site.rested()
    before = before_dispatch(point)
    if before is True:
        assert all(site.last(publication) == EntryType.PUBLICATION_LIVE for publication in site.publications), "nothing is lost"
        assert len(site.wechat.ledger.effects(SUBMIT)) == COUNT
    elif before is False:
        assert len(site.wechat.ledger.calls(SUBMIT)) >= COUNT - 1


async def test_killed_between_call_and_outcome_it_is_settled_by_reading_back(site: Site) -> None:
    """The article is out and the log does not know: UNKNOWN, and half an hour later the published list says Live; sent once."""
    await site.child("after the call")
    await site.child()
    (unknown,) = [publication for publication in site.publications if site.last(publication) == EntryType.PUBLICATION_UNKNOWN]
    later = Clock(wall=lambda: time.time_ns() + 31 * 60 * 1_000_000_000)
    async with open_house(site.folder, {"wechat": WeChatConnector()}, clock=later) as house:
        assert await house.until(unknown, "live") == "live"
    site.judge()
    assert len(site.wechat.ledger.effects(SUBMIT)) == COUNT


async def test_killed_twice_at_every_depth(site: Site) -> None:
    """Killed in the n-th commit of the log, for many n, over five articles: each start finds a whole log, and in the end all rest."""
    for depth in (0, 1, 3, 6, 10, 15):
        await site.child(f"inside a commit, after the row@{depth}")
        site.judge()
    assert await site.child() == 0
    site.judge()
    site.rested()


async def test_killed_at_random_times(site: Site) -> None:
    """Six kills at random moments over five articles: no duplicate, no loss, the log verifies after every one."""
    dice = random.Random(20261123)
    for _ in range(6):
        await site.child(kill_after=dice.uniform(0.9, 2.6))
        site.judge()
    assert await site.child(seconds=60) == 0
    site.judge()
    site.rested()
    assert len(site.wechat.ledger.effects(SUBMIT)) <= 5
