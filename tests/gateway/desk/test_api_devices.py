"""What the extension relies on: digests it can count again, one submission a command, devices that end, and two people who never meet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from gateway import canonical
from tests.gateway.desk.conftest import Device, Place
from tests.gateway.desk.served import Served
from tests.gateway.desk.story import form, picture

PEOPLE = ("lu", "lin")


async def written(device: Device, channel: str, command: str, title: str = "秋收之后") -> tuple[dict[str, Any], dict[str, Any]]:
    """Make a draft that can be handed in; return what saving answered, and what was saved."""
    made = (await device.send("POST", "/drafts", {**form(title, channel), "command": command, "html": ""})).json
    added = await device.request("POST", f"/api/v1/drafts/{made['draft']}/pictures", headers={"Content-Type": "image/png"}, data=picture())
    assert added.status == 201, added.text
    body = {**form(title, channel, cover=added.json["digest"]), "version": made["version"],
            "html": f'<p>入冬前，工程部更换了老旧支管。</p><p><img src="media:{added.json["digest"]}" alt="现场"></p>'}
    saved = await device.send("PUT", f"/drafts/{made['draft']}", body)
    assert saved.status == 200, saved.text
    return saved.json, body


async def test_the_digest_is_of_the_manifest_that_is_submitted(place: Place) -> None:
    """A draft's digest is the manifest's, counted again by anyone, another for another title and the same for the same; the submission carries it."""
    device = await place.device("lu")
    saved, body = await written(device, place.channel(), "command-0001")
    assert saved["content"] == canonical.digest(saved["manifest"])
    assert saved["manifest"]["title"] == "秋收之后"
    other = await device.send("PUT", f"/drafts/{saved['draft']}", {**body, "version": saved["version"], "title": "秋收之前"})
    assert other.json["content"] == canonical.digest(other.json["manifest"]) != saved["content"]
    back = await device.send("PUT", f"/drafts/{saved['draft']}", {**body, "version": other.json["version"]})
    assert back.json["content"] == saved["content"]
    order = {"draft": saved["draft"], "version": back.json["version"], "command": "command-0002"}
    made = await device.send("POST", "/submissions", order)
    assert made.status == 201, made.text
    again = await device.send("POST", "/submissions", order)
    assert (again.status, again.json["submission"], again.json["number"]) == (201, made.json["submission"], made.json["number"])
    assert len(place.house.state.submissions) == 1
    shown = (await device.send("GET", f"/submissions/{made.json['submission']}")).json
    assert shown["content"] == saved["content"] == place.house.state.submissions[made.json["submission"]].content
    assert shown["publications"] == []


async def test_a_device_ends_by_itself_and_from_the_counter(place: Place) -> None:
    """Unpairing ends this device at once and no other; one that is ended at the counter can do nothing, and from its first try on reads nothing."""
    mine, other, stolen = await place.device("lu"), await place.device("lu"), await place.device("lu")
    for device in (mine, other, stolen):
        assert (await device.send("GET", "/me")).status == 200
    assert (await mine.send("DELETE", "/session")).status == 200
    for method, path in (("GET", "/me"), ("DELETE", "/session"), ("GET", "/submissions")):
        refused = await mine.send(method, path)
        assert (refused.status, refused.json["code"]) == (401, "session_gone")
    saved, _ = await written(stolen, place.channel(), "command-0001")
    place.sessions.end(stolen.token)
    order = {"command": "command-0002", "draft": saved["draft"], "version": saved["version"]}
    for path, value in (("/submissions", order), ("/preflight", {"draft": saved["draft"]})):
        refused = await stolen.send("POST", path, value)
        assert (refused.status, refused.json["code"]) == (401, "session_gone"), refused.text
    assert (await stolen.send("GET", "/submissions")).status == 401
    assert place.house.state.submissions == {}
    assert (await other.send("GET", "/me")).json["name"] == "陆晓棠"


# ---- two people, in any order


@dataclass
class Person:
    """What the API must say to one person, and to nobody else."""

    device: Device
    channel: str
    draft: str = ""
    version: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    submission: str = ""
    state: str = ""
    order: dict[str, Any] = field(default_factory=dict)


class Desk:
    """Both people's steps, each with the answer it must get."""

    def __init__(self, place: Place, people: dict[str, Person], run: int) -> None:
        self.place, self.people, self.run, self.count = place, people, run, 0

    def command(self) -> str:
        """Return a command id that was not used before."""
        self.count += 1
        return f"run{self.run:04d}-{self.count:04d}"

    async def step(self, who: str, act: str) -> None:
        """Take one step as a person and hold the answer to what was done before."""
        await getattr(self, act)(self.people[who], self.people[PEOPLE[1 - PEOPLE.index(who)]])

    async def create(self, me: Person, _other: Person) -> None:
        if not me.draft or me.state == "in_review":
            saved, me.body = await written(me.device, me.channel, self.command(), f"{me.channel} 的稿件")
            me.draft, me.version, me.submission, me.state = saved["draft"], saved["version"], "", "draft"

    async def save(self, me: Person, _other: Person) -> None:
        if me.draft:
            answer = await me.device.send("PUT", f"/drafts/{me.draft}", {**me.body, "version": me.version, "message": self.command()})
            assert answer.status == (409 if me.state == "in_review" else 200), answer.text
            me.version = answer.json["version"] if answer.status == 200 else me.version

    async def stale(self, me: Person, _other: Person) -> None:
        if me.draft:
            answer = await me.device.send("PUT", f"/drafts/{me.draft}", {**me.body, "version": me.version - 1})
            assert (answer.status, answer.json["code"]) == (409, "not_editable" if me.state == "in_review" else "stale")

    async def submit(self, me: Person, _other: Person) -> None:
        if me.draft and me.state != "in_review":
            me.order = {"command": self.command(), "draft": me.draft, "version": me.version}
            if me.submission:
                me.order["expected"] = (await me.device.send("GET", f"/submissions/{me.submission}")).json["seq"]
            answer = await me.device.send("POST", "/submissions", me.order)
            assert answer.status == 201, answer.text
            assert me.submission in {"", answer.json["submission"]}
            me.submission, me.state = answer.json["submission"], "in_review"

    async def repeat(self, me: Person, _other: Person) -> None:
        if me.state == "in_review":
            answer = await me.device.send("POST", "/submissions", me.order)
            assert (answer.status, answer.json.get("submission")) == (201, me.submission), answer.text

    async def recall(self, me: Person, _other: Person) -> None:
        if me.submission:
            answer = await me.device.send("POST", f"/submissions/{me.submission}/recall", {"command": self.command()})
            assert answer.status == (200 if me.state == "in_review" else 409), answer.text
            me.state = "recalled"

    async def meddle(self, me: Person, other: Person) -> None:
        if other.draft:
            assert (await me.device.send("PUT", f"/drafts/{other.draft}", {**other.body, "version": other.version})).status == 404
            assert (await me.device.send("POST", "/preflight", {"draft": other.draft})).status == 404
            asked = {"command": self.command(), "draft": other.draft, "version": other.version}
            assert (await me.device.send("POST", "/submissions", asked)).status == 404
        if other.submission:
            assert (await me.device.send("GET", f"/submissions/{other.submission}")).status == 404
            assert (await me.device.send("POST", f"/submissions/{other.submission}/recall", {"command": self.command()})).status in {403, 404}

    async def check(self) -> None:
        """Each sees exactly what is theirs."""
        for me in self.people.values():
            listed = {item["id"]: item["state"] for item in (await me.device.send("GET", "/submissions")).json["submissions"]}
            if me.submission:
                assert listed[me.submission] == me.state
            others = {other.submission for other in self.people.values() if other is not me}
            assert not others & listed.keys() - {""}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One desk for all sequences; each begins with drafts of its own."""
    made = Served(tmp_path_factory.mktemp("two"))
    yield made
    made.close()


ACTS = ("create", "save", "stale", "submit", "repeat", "recall", "meddle")


def test_two_people_never_see_or_move_each_others_things(served: Served) -> None:
    """In any order of creating, saving, saving late, handing in, repeating and taking back, each gets the answers of their own story alone."""
    runs = iter(range(1000))
    steps = st.lists(st.tuples(st.sampled_from(PEOPLE), st.sampled_from(ACTS)), min_size=6, max_size=10)

    async def play(taken: list[tuple[str, str]]) -> None:
        place = served.place
        channels = {"lu": place.channel("wechat_unit"), "lin": place.channel("wechat_group")}
        people = {who: Person(await place.device(who), channels[who]) for who in PEOPLE}
        desk = Desk(place, people, next(runs))
        for who, act in [*((who, "create") for who in PEOPLE), *taken, *((who, "submit") for who in PEOPLE)]:
            await desk.step(who, act)
        await desk.check()

    @settings(max_examples=8, derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(steps)
    def attempt(taken: list[tuple[str, str]]) -> None:
        served.run(play(taken))

    attempt()
