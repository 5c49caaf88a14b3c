"""Requests generated from the OpenAPI document against the real desk and enforcer: every answer is one that the document describes.

The requests are the same in every run. What fits the document and what does not are both sent, with a device's session and without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from gateway.desk.api.openapi import document
from gateway.desk.api.operations import OPERATIONS, PREFIX
from tests.gateway.desk.served import Served
from tests.gateway.desk.story import form

CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
PROBLEM = {"type", "title", "status", "detail", "code", "rule", "article", "next", "ask", "missing", "lang"}
NAMES = [op.id for op in OPERATIONS]
TAKING = [op.id for op in OPERATIONS if op.body is not None]


@dataclass
class Api:
    """The served API, and things of 陆晓棠's that generated requests are pointed at every other time."""

    served: Served
    schema: Any
    known: dict[str, str]
    count: int = 0

    def operation(self, name: str) -> Any:
        """Return an operation of the document by its id."""
        op = next(op for op in OPERATIONS if op.id == name)
        return self.schema[PREFIX + op.path][op.method]

    def send(self, case: Case, *, token: str | None, aimed: bool) -> Any:
        """Send a case, every other time at something that exists, and return the answer."""
        self.count += 1
        if aimed and self.count % 2:
            for place in (case.path_parameters, case.body if isinstance(case.body, dict) else {}):
                for key in set(place or {}) & set(self.known):
                    place[key] = self.known[key]
        place = self.served.place
        headers = {"Host": place.settings.host, **({"Authorization": f"Bearer {token}"} if token else {})}
        base = f"http://127.0.0.1:{place.settings.desk_url.rsplit(':', 1)[1]}"
        return case.call(base_url=base, headers=headers, timeout=60, allow_redirects=False)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One desk for all requests of this file, with a draft."""
    served = Served(tmp_path_factory.mktemp("api"))
    made = served.run(_draft(served))
    yield Api(served, schemathesis.openapi.from_dict(document(OPERATIONS)), {"draft": made})
    served.close()


async def _draft(served: Served) -> str:
    device = await served.place.device("lu")
    body = {**form("生成的请求", served.place.channel()), "command": "generated-0001", "html": "<p>正文</p>"}
    answer = await device.send("POST", "/drafts", body)
    assert answer.status == 201, answer.text
    return str(answer.json["draft"])


def _each(api: Api, name: str, mode: GenerationMode, examples: int, attempt: Any) -> None:
    """Call `attempt` with the same generated cases in every run."""
    held = settings(max_examples=examples, derandomize=True, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    held(given(case=api.operation(name).as_strategy(generation_mode=mode))(attempt))()


def _is_problem(response: Any) -> None:
    assert response.headers["content-type"][0].startswith("application/problem+json")
    body = response.json()
    assert body.keys() >= PROBLEM, body
    assert body["status"] == response.status_code
    assert body["title"]
    assert body["next"]


@pytest.mark.parametrize("name", NAMES)
def test_what_fits_the_document_gets_an_answer_of_the_document(api: Api, name: str) -> None:
    """Status, media type and shape of each answer are described; nothing falls over, and no is a problem that says what next."""
    session = api.served.call(api.served.place.token, "lu", "device")

    def attempt(case: Case) -> None:
        token = api.served.call(api.served.place.token, "lu", "device") if name == "unpair" else session
        response = api.send(case, token=token, aimed=True)
        case.validate_response(response, checks=CHECKS)
        assert response.status_code < 500 or response.json()["code"] == "unavailable"
        if response.status_code >= 400:
            _is_problem(response)

    _each(api, name, GenerationMode.POSITIVE, 12, attempt)


@pytest.mark.parametrize("name", TAKING)
def test_what_does_not_fit_is_refused_as_a_problem(api: Api, name: str) -> None:
    """A body of another shape is refused before anything is done, with which field is wrong."""
    session = api.served.call(api.served.place.token, "lu", "device")

    def attempt(case: Case) -> None:
        response = api.send(case, token=session, aimed=False)
        case.validate_response(response, checks=[*CHECKS, negative_data_rejection])
        assert response.status_code < 500 or response.json()["code"] == "unavailable"
        if response.status_code >= 400:  # the others fit after all: what was altered is no part of the document
            _is_problem(response)

    _each(api, name, GenerationMode.NEGATIVE, 15, attempt)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "pair"])
def test_nothing_is_answered_without_a_session(api: Api, name: str) -> None:
    """Without a session, with one of the desk's pages, and with one that never was, every operation says 401 and nothing else."""
    tokens = (None, "nobody", api.served.call(api.served.place.token, "lu", "desk"))

    def attempt(case: Case) -> None:
        for token in tokens:
            response = api.send(case, token=token, aimed=True)
            assert response.status_code == 401
            case.validate_response(response, checks=CHECKS)
            _is_problem(response)

    _each(api, name, GenerationMode.POSITIVE, 3, attempt)


def test_the_requests_reached_what_they_are_about(api: Api) -> None:
    """Generated requests are worth something only where some of them are accepted: a draft is saved, looked at, and handed in too early."""
    session = api.served.call(api.served.place.token, "lu", "device")
    place, answers = api.served.place, set[int]()
    _each(api, "make_draft", GenerationMode.POSITIVE, 12, lambda case: answers.add(api.send(case, token=session, aimed=True).status_code))
    assert {200, 201} & answers

    async def ask() -> tuple[int, int]:
        device = await place.device("lu")
        device.token = session
        look = await device.send("POST", "/preflight", {"draft": api.known["draft"]})
        return look.status, (await device.send("GET", "/me")).status

    assert api.served.run(ask()) == (200, 200)
