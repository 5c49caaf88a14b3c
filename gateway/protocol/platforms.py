"""What each platform offers through its open interface, once for connectors, desk and extension (pure); platforms.md, design.md 8."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Offers:
    """What can be done on a platform.

    Args:
        publish, edit, withdraw: the operations that a connector carries out.
        schedule: a fixed time; the gate's own, never the platform's (design.md 7).
        readback: what is live can be read and compared with what was approved.
        notifies: readers are told of what is published.
    """

    publish: bool
    edit: bool
    withdraw: bool
    schedule: bool
    readback: bool
    notifies: bool

    @property
    def operations(self) -> tuple[str, ...]:
        """The operations by name."""
        return tuple(name for name in ("publish", "edit", "withdraw") if getattr(self, name))

    def value(self) -> dict[str, bool]:
        """Return it as a JSON value, for pages and answers."""
        return asdict(self)


PLATFORMS: Final[dict[str, Offers]] = {
    "wechat": Offers(publish=True, edit=False, withdraw=True, schedule=True, readback=True, notifies=False),
    "weibo": Offers(publish=True, edit=False, withdraw=True, schedule=True, readback=True, notifies=True),
    "wordpress": Offers(publish=True, edit=True, withdraw=True, schedule=True, readback=True, notifies=False),
}


def offers(platform: str) -> dict[str, bool]:
    """Return what a platform offers; nothing for one that is not known."""
    known = PLATFORMS.get(platform)
    return known.value() if known is not None else {}
