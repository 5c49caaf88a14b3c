"""What earlier revisions of a submission brought out, for those who decide about the next one. Decides nothing; nothing of it is signed.

A revision is for the channels that are left, and its statement names these alone; what is out elsewhere with another text is shown
beside it, so that nobody signs in the belief that it is the same everywhere.
"""

from __future__ import annotations

from typing import Any

from gateway.enforcer.counter.parts import Counter
from gateway.machine.state import OPEN_PUBLICATION, RELEASABLE, Publication, PublicationState, Submission


def out(counter: Counter, submission: Submission) -> list[dict[str, Any]]:
    """Return each channel on which an earlier revision took effect, oldest first, with what is there now; `history` is caught up.

    `revision` is the one that brought it out, `at` when it was sent, `same` whether this revision's content is that one's; `url` is
    empty unless it is live still.
    """
    if not submission.effective:
        return []
    state = counter.parts.runner.state
    known = [state.publications[identifier] for identifier in counter.history.publications(submission.id) if identifier in state.publications]
    sent = [one for one in known if one.revision < submission.revision and one.state not in OPEN_PUBLICATION | RELEASABLE]
    return [
        {"id": one.id, "channel": state.channels[one.channel].name, "revision": one.revision, "at": one.dispatched_at, "state": one.state.value,
         "url": _address(one), "same": one.content == submission.content, "comparable": bool(one.content and submission.content)}
        for one in sorted(sent, key=lambda one: one.dispatch_seq)
    ]


def _address(publication: Publication) -> str:
    live = publication.state is PublicationState.LIVE and publication.url.startswith(("http://", "https://"))
    return publication.url if live else ""
