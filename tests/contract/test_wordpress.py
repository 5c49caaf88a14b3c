"""What is WordPress's own: all fields in one write, display filters, edits, addresses, attachments; on a real WordPress."""

from __future__ import annotations

import dataclasses
import html
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from gateway.connectors.base import Absent, Live, Operation, Outcome, PlatformRefused, Previous, Rejected, Undecided
from gateway.connectors.bodies import read
from gateway.content import Content
from gateway.demo import wordpress as harness

pytestmark = pytest.mark.wordpress


async def _ready(bench: Any, content: Content | None = None) -> tuple[Any, Any, Any]:
    connector = bench.fresh()
    template = bench.template(connector, content or bench.content())
    return connector, template, await bench.prepare(connector, template)


async def test_the_commit_writes_everything_again(wordpress_bench: Any) -> None:
    """Somebody alters the draft at the last moment in every field: what goes public is what was approved."""
    connector, template, prepared = await _ready(wordpress_bench)
    post, site = prepared.handles["post"], wordpress_bench.platform
    site.edit_by_hand(post, post_title="改", post_content="改", post_excerpt="改", post_password="geheim", comment_status="open",
                      post_name="gai", edit_date="1", post_author=str(site.admin.id), post_date="2031-01-01 00:00:00", post_date_gmt="2031-01-01 00:00:00")
    site.task("sticky", id=int(post), on=True)
    outcome = await connector.commit(wordpress_bench.call(), template, prepared)
    assert isinstance(outcome, Live)
    assert await connector.observe(wordpress_bench.call(), template, outcome, prepared)
    status, page = site.public_page(outcome.url)
    assert status == 200
    assert "工程部更换了" in page


HARD = '他说："好"... 3x4 -- (c) [gallery] :) https://example.com/ \'x\' Wordpress & <b> 1/2 8-) ``y\'\' (tm)'

TITLE = '"好"... 3x4 -- (c) [gallery] :) \'x\' Wordpress & <b> 1/2 (tm)'


async def test_what_the_public_reads_is_what_was_approved(wordpress_bench: Any) -> None:
    """Quotes, dashes, shortcodes, smileys and bare addresses come out of the display filters unchanged, in title and body."""
    good = wordpress_bench.content(pictures=False)
    content = dataclasses.replace(good, title=TITLE, summary=HARD, body=f"<p>{html.escape(HARD, quote=False)}</p><p>https://example.com/</p>", links=())
    connector, template, prepared = await _ready(wordpress_bench, content)
    outcome = await connector.commit(wordpress_bench.call(), template, prepared)
    assert isinstance(outcome, Live)
    page = wordpress_bench.platform.public_page(outcome.url)[1]
    body = re.search(r"entry-content[^>]*>(.*?)</div>", page, re.DOTALL)
    assert body is not None
    assert read(body[1]).text == re.sub(r"\s", "", HARD) + "https://example.com/"
    assert "<img" not in body[1]
    assert "<iframe" not in body[1]
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    assert heading is not None
    assert html.unescape(heading[1]) == TITLE


async def test_pictures_are_attached_and_their_names_cannot_be_guessed(wordpress_bench: Any, wordpress: Any) -> None:
    """Each upload belongs to the draft, under a name of 96 random bits; the public page shows it."""
    connector, template, prepared = await _ready(wordpress_bench)
    own = [p for p in wordpress.posts() if p["post_parent"] == prepared.handles["post"]]
    assert len(own) == 2
    addresses = [value.split(" ")[1] for key, value in prepared.handles.items() if ":" in key]
    assert all(re.search(r"/qf-[0-9a-f]{16}-[0-9a-f]{24}\.jpg$", address) for address in addresses)
    outcome = await connector.commit(wordpress_bench.call(), template, prepared)
    assert isinstance(outcome, Live)
    assert addresses[1].rsplit("/", 1)[1] in wordpress.public_page(outcome.url)[1]


async def test_an_edit_writes_all_fields_and_keeps_the_address(wordpress_bench: Any) -> None:
    """The live post gets the new text and picture; its address stays; the old version is noticed to be gone."""
    connector = wordpress_bench.fresh()
    old, old_prepared, live = await wordpress_bench.publish(connector, wordpress_bench.content())
    wordpress_bench.saved = {}
    edit = wordpress_bench.template(connector, wordpress_bench.content("更正：换了4.3公里。"), Operation.EDIT,
                                    Previous(id=live.id, url=live.url, digest=old.digest()))
    prepared = await wordpress_bench.prepare(connector, edit)
    assert await connector.observe(wordpress_bench.call(), old, live, old_prepared), "nothing is public before the commit"
    assert await connector.reread(wordpress_bench.call(), edit, prepared) == prepared.snapshot
    outcome: Outcome = await connector.commit(wordpress_bench.call(), edit, prepared)
    assert isinstance(outcome, Live)
    assert (outcome.id, outcome.url) == (live.id, live.url)
    assert await connector.observe(wordpress_bench.call(), edit, outcome, prepared)
    assert not await connector.observe(wordpress_bench.call(), old, live, old_prepared)
    assert "更正" in wordpress_bench.platform.public_page(live.url)[1]


async def test_an_edit_over_a_change_by_hand_is_noticed(wordpress_bench: Any) -> None:
    """Somebody changes the live post after the edit was prepared: the re-read differs from the snapshot."""
    connector = wordpress_bench.fresh()
    old, _, live = await wordpress_bench.publish(connector, wordpress_bench.content())
    wordpress_bench.saved = {}
    edit = wordpress_bench.template(connector, wordpress_bench.content("更正。"), Operation.EDIT,
                                    Previous(id=live.id, url=live.url, digest=old.digest()))
    prepared = await wordpress_bench.prepare(connector, edit)
    wordpress_bench.edit_live(live)
    assert await connector.reread(wordpress_bench.call(), edit, prepared) != prepared.snapshot


@pytest.mark.parametrize("fate", ["before", "after"])
async def test_a_lost_edit_is_settled_by_reading(wordpress_bench: Any, fate: str) -> None:
    """After a lost answer the post itself says whether the edit took place; altered by hand, only people can."""
    connector = wordpress_bench.fresh()
    old, _, live = await wordpress_bench.publish(connector, wordpress_bench.content())
    wordpress_bench.saved = {}
    edit = wordpress_bench.template(connector, wordpress_bench.content("更正。"), Operation.EDIT,
                                    Previous(id=live.id, url=live.url, digest=old.digest()))
    prepared = await wordpress_bench.prepare(connector, edit)
    at = wordpress_bench.clock.now()
    wordpress_bench.relay.reset(plan={1: fate})
    await connector.commit(wordpress_bench.call(), edit, prepared)
    wordpress_bench.clock.advance(100)
    settled = await connector.reconcile(wordpress_bench.call(), edit, prepared, at)
    assert isinstance(settled, Live if fate == "after" else Absent)
    wordpress_bench.edit_live(live)
    assert await connector.reconcile(wordpress_bench.call(), edit, prepared, at) == Undecided(reason="altered", again_after=None)


async def test_a_draft_published_by_hand_stops_the_send(wordpress_bench: Any) -> None:
    """Somebody publishes the prepared draft: the re-read differs, and a new preparation is refused."""
    connector, template, prepared = await _ready(wordpress_bench)
    wordpress_bench.platform.edit_by_hand(prepared.handles["post"], post_status="publish")
    assert await connector.reread(wordpress_bench.call(), template, prepared) != prepared.snapshot
    with pytest.raises(PlatformRefused) as caught:
        await wordpress_bench.prepare(connector, template)
    assert caught.value.code == "draft_public"


async def test_the_same_content_twice_is_refused(wordpress_bench: Any) -> None:
    """WordPress would quietly take another address; the second preparation says that the first is live."""
    connector = wordpress_bench.fresh()
    content = wordpress_bench.content()
    template, _, live = await wordpress_bench.publish(connector, content)
    wordpress_bench.saved = {}
    with pytest.raises(PlatformRefused, match="slug_taken"):
        await wordpress_bench.prepare(connector, template)
    await wordpress_bench.withdraw(connector, live, template)
    wordpress_bench.saved = {}
    assert (await wordpress_bench.publish(connector, content))[2].url == live.url


async def test_a_site_without_permalinks_works_too(wordpress_bench: Any, wordpress: Any) -> None:
    """Where only `?rest_route=` answers, everything goes through it."""
    wordpress.set_permalinks("")
    try:
        connector = wordpress_bench.fresh()
        template, prepared, live = await wordpress_bench.publish(connector, wordpress_bench.content())
        assert "?p=" in live.url
        assert any("rest_route=" in path for _, path in wordpress_bench.relay.seen)
        assert await connector.observe(wordpress_bench.call(), template, live, prepared)
        await wordpress_bench.withdraw(connector, live, template)
    finally:
        wordpress.set_permalinks("/%postname%/")


async def test_a_root_that_moves_is_found_again(wordpress_bench: Any, wordpress: Any) -> None:
    """Permalinks are switched off while the gateway runs: one read fails, the next attempt finds the other door."""
    connector, template, prepared = await _ready(wordpress_bench)
    wordpress.set_permalinks("")
    try:
        with pytest.raises(PlatformRefused, match="not_wordpress"):
            await connector.reread(wordpress_bench.call(), template, prepared)
        assert await connector.reread(wordpress_bench.call(), template, prepared) == prepared.snapshot
    finally:
        wordpress.set_permalinks("/%postname%/")


async def test_only_get_and_post_leave(wordpress_bench: Any) -> None:
    """Even deletions travel as POST, which the client library never sends twice."""
    connector = wordpress_bench.fresh()
    template, _, live = await wordpress_bench.publish(connector, wordpress_bench.content())
    await wordpress_bench.withdraw(connector, live, template)
    await connector.abandon(wordpress_bench.call(), (await _ready(wordpress_bench))[2].handles)
    assert {method for method, _ in wordpress_bench.relay.seen} == {"GET", "POST"}


async def test_a_wrong_password_in_the_commit_is_rejected(wordpress_bench: Any) -> None:
    """The site refuses before it writes."""
    connector, template, prepared = await _ready(wordpress_bench)
    wrong = wordpress_bench.credential | {"application_password": "A" * 24}
    outcome = await connector.commit(wordpress_bench.call(credential=wrong), template, prepared)
    assert isinstance(outcome, Rejected)
    assert "凭据" in outcome.zh


@pytest.mark.parametrize("site", ["http://example.com", "ftp://127.0.0.1", "https://user@example.com", "https://example.com/?a=1", ""])
async def test_a_password_is_never_sent_in_the_clear(wordpress_bench: Any, site: str) -> None:
    """An address without https that is not this machine's is refused before a request."""
    connector = wordpress_bench.fresh()
    template = wordpress_bench.template(connector, wordpress_bench.content())
    with pytest.raises(PlatformRefused):
        await connector.prepare(wordpress_bench.call(settings={"site": site}), template, wordpress_bench.load, {}, wordpress_bench.save)
    _, _, prepared = await _ready(wordpress_bench)
    wordpress_bench.relay.reset()
    template = wordpress_bench.template(connector, None, Operation.WITHDRAW, Previous(id=prepared.handles["post"], url="", digest=template.digest()))
    assert (await connector.commit(wordpress_bench.call(settings={"site": site}), template, prepared)).code == "not_sent"
    assert wordpress_bench.relay.seen == []


def test_the_server_dies_with_its_process(tmp_path: Path) -> None:
    """A process that is killed without any clean-up takes PHP's server and its workers along."""
    code = (
        "import sys, time, pathlib\nfrom gateway.demo.wordpress import wordpress_site\n"
        "with wordpress_site(pathlib.Path(sys.argv[1])) as site:\n    print(site.base_url, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert urllib.request.urlopen(url, timeout=20).status == 200
        os.kill(process.pid, signal.SIGKILL)
    for _ in range(100):
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except (urllib.error.URLError, OSError):
            break
        time.sleep(0.05)
    with pytest.raises((urllib.error.URLError, OSError)):
        urllib.request.urlopen(url, timeout=5)


def test_missing_packages_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Debian's packages are missing the reason says which."""
    monkeypatch.setattr(harness, "SOURCE", tmp_path / "nothing")
    with pytest.raises(harness.WordPressUnavailable) as caught, harness.wordpress_site(tmp_path / "state"):
        pass
    assert caught.value.reason == "Debian packages are missing: wordpress wordpress-theme-twentytwentythree"


async def test_the_async_form_starts_and_restarts(tmp_path: Path) -> None:
    """A second run of the same folder has the same users, posts and address."""
    async with harness.running_wordpress(tmp_path) as first:
        pass
    async with harness.running_wordpress(tmp_path) as second:
        assert second.base_url == first.base_url
        assert second.editor == first.editor
        assert second.public_page(second.base_url + "/")[0] == 200
    assert first.editor.application_password not in repr(first)
