"""Statements: what a person signs, word for word (pure).

A statement is canonical JSON. A list is the ordered digests of its statements with their verdicts; its digest, with a fresh
nonce, is what a passkey signs or a code confirms. The machine rebuilds each statement from the state and compares digests, so a
page that showed something else cannot be signed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from gateway import canonical
from gateway.canonical import Digest

VERSION: Final = 1
LIST_LABEL: Final = "qianfa/list/v1"
PROPOSAL_LABEL: Final = "qianfa/proposal/v1"
EMERGENCY_LABEL: Final = "qianfa/emergency/v1"
FACTOR_LABEL: Final = "qianfa/factor/v1"
LIST_LIMIT: Final = 20


def statement(
    *, deployment: str, epoch: str, verdict: str, stage: str, office: str, signer: str, submission: str, revision: int,
    content: Digest | None, targets: Sequence[dict[str, Any]], facts: dict[str, Any], route: Digest, policy: Digest,
    window_to: str, scheduled: str | None, salt: str, checked: Digest | None = None, reason: str | None = None, notes: Digest | None = None,
) -> dict[str, Any]:
    """Return the statement that `signer` signs; `targets` are {channel, operation, template, previous} in channel order.

    `checked` (what was ticked), and `reason` and `notes` of a return, are there only where there is something to say.
    """
    more = {"checked": checked, "reason": reason, "notes": notes}
    return {
        "v": VERSION, "deployment": deployment, "epoch": epoch, "verdict": verdict, "stage": stage, "office": office,
        "signer": signer, "submission": submission, "revision": revision, "content": content, "targets": list(targets),
        "facts": facts, "route": route, "policy": policy, "window_to": window_to, "scheduled": scheduled, "salt": salt,
        **{name: value for name, value in more.items() if value is not None},
    }


def list_digest(label: str, items: Sequence[tuple[Digest, str]]) -> Digest:
    """Return the digest of an ordered list of (statement digest, verdict), under a label that says what kind of list it is."""
    return canonical.digest({"label": label, "items": [[digest, verdict] for digest, verdict in items]})
