"""The API as the extension uses it, and its document held against the routes and against behaviour."""

from __future__ import annotations

from typing import Any

from openapi_spec_validator import OpenAPIV31SpecValidator

from gateway.desk.api.openapi import document
from gateway.desk.api.operations import OPERATIONS, PREFIX
from gateway.desk.routes import ROUTES
from tests.gateway.desk.conftest import Device, Place
from tests.gateway.desk.story import form, picture

ORIGIN = "chrome-extension://" + "abcdefghijklmnop" * 2


def test_the_document_and_the_routes_are_one() -> None:
    """The document is valid OpenAPI 3.1 and names exactly the routes that are served."""
    made = document(OPERATIONS)
    OpenAPIV31SpecValidator(made).validate()
    named = {(method.upper(), path) for path, item in made["paths"].items() for method in item}
    served = {(route.method, route.path) for route in ROUTES if route.access in {"device", "pair"}}
    assert named == served == {(op.method, PREFIX + op.path) for op in OPERATIONS}


async def captured(device: Device, place: Place, command: str = "capture-0001") -> dict[str, Any]:
    """Capture a draft with a picture, as the extension does."""
    body = {**form("秋收之后", place.channel()), "command": command, "html": "<p>入冬前更换了支管。</p>"}
    made = await device.send("POST", "/drafts", body)
    assert made.status == 201, made.text
    return dict(made.json)


async def test_a_capture_becomes_a_submission(place: Place) -> None:
    """Pair-grade session, capture, picture, preflight, submit, list, recall; repeats give the same answers."""
    device = await place.device("lu")
    me = await device.send("GET", "/me")
    assert me.json["name"] == "陆晓棠"
    assert me.json["state"] == "ok"
    listed = (await device.send("GET", "/channels")).json["channels"]
    assert place.channel() in {item["id"] for item in listed}
    draft = await captured(device, place)
    assert (await captured(device, place))["draft"] == draft["draft"]
    other = await device.send("POST", "/drafts", {**form("别的", place.channel()), "command": "capture-0001", "html": ""})
    assert other.status == 409
    assert other.json["code"] == "command_reused"
    added = await device.request("POST", f"/api/v1/drafts/{draft['draft']}/pictures", headers={"Content-Type": "image/png"}, data=picture())
    assert added.status == 201
    html = f'<p>入冬前更换了支管。</p><p><img src="media:{added.json["digest"]}" alt="支管"></p>'
    saved = await device.send("PUT", f"/drafts/{draft['draft']}", {
        **form("秋收之后", place.channel(), cover=added.json["digest"]), "version": draft["version"], "html": html})
    assert saved.status == 200, saved.text
    look = await device.send("POST", "/preflight", {"draft": draft["draft"]})
    assert look.json["ok"]
    assert look.json["route"][0]["people"][0]["name"] == "顾长庚"
    stale = await device.send("POST", "/submissions", {"draft": draft["draft"], "version": 1, "command": "submit-00001"})
    assert stale.status == 409
    body = {"draft": draft["draft"], "version": saved.json["version"], "command": "submit-00001"}
    made = await device.send("POST", "/submissions", body)
    assert made.status == 201, made.text
    assert place.house.state.submissions[made.json["submission"]].source == "extension"
    mine = (await device.send("GET", "/submissions")).json["submissions"]
    assert [item["id"] for item in mine] == [made.json["submission"]]
    assert mine[0]["waiting"][0]["people"][0]["extension"] == "6631"
    one = await device.send("GET", f"/submissions/{made.json['submission']}")
    assert one.json["state"] == "in_review"
    assert (await (await place.device("lin")).send("GET", f"/submissions/{made.json['submission']}")).status == 404
    recalled = await device.send("POST", f"/submissions/{made.json['submission']}/recall", {"command": "recall-00001"})
    assert recalled.status == 200
    assert recalled.json["seq"] > made.json["seq"]


async def test_only_paired_devices_and_origins_get_in(place: Place) -> None:
    """A desk cookie, a desk token and a strange origin get nothing; pairing opens the API for that extension's origin alone."""
    lu, device = await place.browser("lu"), await place.device("lu")
    assert (await lu.get("/api/v1/me")).status == 401
    assert (await Device(place, lu.session, lu.token).send("GET", "/me")).status == 401
    assert (await lu.get("/", Cookie=f"{place.settings.cookie}={device.token}")).location.startswith("/welcome")
    for origin in (ORIGIN, "http://evil.example", place.settings.desk_url, "null"):
        refused = await device.send("GET", "/me", Origin=origin)
        assert refused.status == 403
        assert "Access-Control-Allow-Origin" not in refused.headers
    _, session = place.sessions.open(place.people("lu"), "counter", factor=f"factor/{place.people('lu')}/totp")
    nobody = Device(place, lu.session, "")
    code = place.sessions.pairing_code(session)
    assert (await nobody.send("POST", "/session", {"code": "WRONG234", "device_name": "x"}, Origin=ORIGIN)).status == 401
    paired = await nobody.send("POST", "/session", {"code": code, "device_name": "办公室电脑"}, Origin=ORIGIN)
    assert paired.status == 201
    assert paired.headers["Access-Control-Allow-Origin"] == ORIGIN
    mine = Device(place, lu.session, paired.json["session"])
    answer = await mine.send("GET", "/me", Origin=ORIGIN)
    assert answer.status == 200
    assert "Access-Control-Allow-Credentials" not in answer.headers
    asked = await mine.request("OPTIONS", "/api/v1/drafts", headers={"Origin": ORIGIN, "Access-Control-Request-Method": "POST"})
    assert asked.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert "Access-Control-Allow-Origin" not in (await mine.request("OPTIONS", "/api/v1/drafts", headers={"Origin": "http://evil.example"})).headers


async def test_faults_are_problems_with_names_in_the_readers_language(place: Place) -> None:
    """Whatever is wrong with a body answers 400 with the field in Chinese or English; giants, depth and other types are refused."""
    device = await place.device("lu")
    bad = await device.send("POST", "/drafts", {**form("x" * 500), "command": "capture-0001"})
    assert bad.status == 400
    assert bad.headers["Content-Type"].startswith("application/problem+json")
    assert bad.json["fields"][0]["name"] == "标题"
    assert bad.json["next"]
    device.lang = "en"
    assert (await device.send("POST", "/drafts", {**form("x"), "command": "capture-0001", "owner": "per_x"})).json["title"].startswith("The request")
    deep = b"[" * 100_000
    for data, kind, status in ((deep, "application/json", 400), (b"{}", "text/plain", 415), (b" " * (4 << 20), "application/json", 413), (b"\xff", "application/json", 400)):
        answer = await device.request("POST", "/api/v1/drafts", headers={"Content-Type": kind}, data=data)
        assert answer.status == status, (kind, answer.text[:200])
    assert (await device.send("GET", "/nothing")).status == 405  # the preflight route answers OPTIONS for every path
