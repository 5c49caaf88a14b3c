"""Faults: what can go wrong between a platform and its client, queued per endpoint and counted.

One request meets at most one fault of the queue, the oldest that matches; edits by hand are separate and fire
in addition. `before` faults leave the platform unchanged, `after` faults strike when the effect has happened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.sandbox.wire import JSON

Kind = Literal[
    "fail_before", "fail_after", "delay", "throttle", "refuse", "expire_credential", "slow_body", "answer_twice", "edit_by_hand",
]  # fmt: skip
How = Literal["drop", "reset", "500", "502", "503", "malformed", "truncated", "code"]
KINDS: tuple[Kind, ...] = (
    "fail_before", "fail_after", "delay", "throttle", "refuse", "expire_credential", "slow_body", "answer_twice", "edit_by_hand",
)  # fmt: skip
HOWS: tuple[How, ...] = ("drop", "reset", "500", "502", "503", "malformed", "truncated", "code")


class UnknownFault(ValueError):
    """A fault was asked for that the sandbox does not know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault: its kind, the endpoint it waits at, and what it needs to strike.

    `how` is for fail_before (drop, reset, 500, 502, 503) and fail_after (those, malformed, truncated, code).
    `match` narrows it to requests whose decoded fields equal the given ones. `changes` and `index` are an edit's.
    """

    kind: Kind
    endpoint: str
    how: How = "drop"
    code: int = 0
    seconds: float = 0.0
    match: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    index: int = 0
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS or self.how not in HOWS:
            raise UnknownFault(f"{self.kind}/{self.how}")
        if self.kind == "fail_before" and self.how in {"malformed", "truncated", "code"}:
            raise UnknownFault(f"{self.kind} cannot be {self.how}")

    @property
    def name(self) -> str:
        """The fault's short name for the ledger, such as `fail_after:502`."""
        return f"{self.kind}:{self.how}" if self.kind in {"fail_before", "fail_after"} else self.kind


@dataclass(slots=True, kw_only=True)
class _Armed:
    fault: Fault
    skip: int
    left: int


class Faults:
    """The queue of faults of one platform."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._fired: list[Fault] = []

    def arm(self, fault: Fault, *, times: int = 1, skip: int = 0) -> None:
        """Queue a fault: let `skip` matching requests pass, then strike `times` times."""
        self._armed.append(_Armed(fault=fault, skip=skip, left=times))

    def fail_before(
        self, endpoint: str, how: How = "drop", *, times: int = 1, skip: int = 0, match: Mapping[str, Any] | None = None
    ) -> None:
        """Fail without any effect: the connection drops or is reset, or a 5xx is answered."""
        self.arm(Fault(kind="fail_before", endpoint=endpoint, how=how, match=match or {}), times=times, skip=skip)

    def drop(self, endpoint: str, *, times: int = 1, skip: int = 0) -> None:
        """Close the connection without an answer and without an effect."""
        self.fail_before(endpoint, "drop", times=times, skip=skip)

    def fail_after(
        self, endpoint: str, how: How = "drop", *, code: int = 0, times: int = 1, skip: int = 0,
        match: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        """Let the effect happen and lose or spoil the reply; `code` answers that error code instead (Weibo 20032)."""
        chosen: How = "code" if code else how
        fault = Fault(kind="fail_after", endpoint=endpoint, how=chosen, code=code, match=match or {})
        self.arm(fault, times=times, skip=skip)

    def delay(self, endpoint: str, seconds: float, *, times: int = 1, skip: int = 0) -> None:
        """Wait real seconds before the request is looked at."""
        self.arm(Fault(kind="delay", endpoint=endpoint, seconds=seconds), times=times, skip=skip)

    def slow_body(self, endpoint: str, seconds: float, *, times: int = 1, skip: int = 0) -> None:
        """Send the answer's body in small pieces spread over real seconds, after the effect."""
        self.arm(Fault(kind="slow_body", endpoint=endpoint, seconds=seconds), times=times, skip=skip)

    def answer_twice(self, endpoint: str, *, times: int = 1, skip: int = 0) -> None:
        """Write the whole HTTP answer twice on the connection."""
        self.arm(Fault(kind="answer_twice", endpoint=endpoint), times=times, skip=skip)

    def throttle(self, endpoint: str, *, times: int = 1, skip: int = 0) -> None:
        """Answer the platform's quota error (WeChat 45009, Weibo 10023) without an effect."""
        self.arm(Fault(kind="throttle", endpoint=endpoint), times=times, skip=skip)

    def refuse(self, endpoint: str, code: int, *, times: int = 1, skip: int = 0) -> None:
        """Answer any business error code (53503, 48001, 20021 ...) without an effect."""
        self.arm(Fault(kind="refuse", endpoint=endpoint, code=code), times=times, skip=skip)

    def expire_credential(self, endpoint: str, *, times: int = 1, skip: int = 0) -> None:
        """Expire the credential that the request carries just before it is looked at."""
        self.arm(Fault(kind="expire_credential", endpoint=endpoint), times=times, skip=skip)

    def edit_by_hand(
        self, target: str, changes: Mapping[str, Any], *, index: int = 0, endpoint: str = "draft/get", nth: int = 1,
        field_name: str = "media_id",
    ) -> None:  # fmt: skip
        """Have someone alter `target` in the back office right after its n-th answer from `endpoint` was made."""
        fault = Fault(kind="edit_by_hand", endpoint=endpoint, match={field_name: target}, target=target, index=index, changes=changes)
        self.arm(fault, skip=nth - 1)

    def take(self, endpoint: str, fields: JSON) -> Fault | None:
        """Consume and return the fault this request meets, or None."""
        for armed in self._armed:
            if armed.fault.kind != "edit_by_hand" and _meets(armed.fault, endpoint, fields):
                return self._strike(armed)
        return None

    def take_edits(self, endpoint: str, fields: JSON) -> tuple[Fault, ...]:
        """Consume and return the edits by hand that this answered request sets off."""
        armed = [a for a in self._armed if a.fault.kind == "edit_by_hand" and _meets(a.fault, endpoint, fields)]
        return tuple(fault for fault in map(self._strike, armed) if fault is not None)

    def fired(self, endpoint: str | None = None) -> int:
        """Count how many faults have struck (at an endpoint)."""
        return sum(endpoint in {None, fault.endpoint} for fault in self._fired)

    def pending(self) -> int:
        """Count the strikes still to come."""
        return sum(armed.left for armed in self._armed)

    def clear(self) -> None:
        """Disarm all faults; the count of those that struck stays."""
        self._armed.clear()

    def _strike(self, armed: _Armed) -> Fault | None:
        if armed.skip > 0:
            armed.skip -= 1
            return None
        armed.left -= 1
        if armed.left <= 0:
            self._armed.remove(armed)
        self._fired.append(armed.fault)
        return armed.fault


def _meets(fault: Fault, endpoint: str, fields: JSON) -> bool:
    return fault.endpoint == endpoint and all(str(fields.get(name)) == str(value) for name, value in fault.match.items())
