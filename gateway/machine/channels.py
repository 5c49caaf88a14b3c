"""Channels, their filing, and their credentials as the log binds them (pure). Every change here comes by two people."""

from __future__ import annotations

from gateway.machine.context import ApplyTable
from gateway.machine.state import Channel, Credential, State
from gateway.protocol.entries import Entry, EntryType

LEVELS = frozenset({"company", "own"})
FILINGS = frozenset({"filed", "changing", "suspended", "cancelled"})


def apply_added(state: State, entry: Entry) -> None:
    """Add a channel with its filing record and custodians."""
    data = entry.data
    state.channels[entry.object] = Channel(
        entry.object, data["platform"], data["account"], data["name"], data["unit"], data["level"], data["filing"],
        data["filing_number"], data["settings"], tuple(data["custodians"]), seq=entry.seq,
    )


def apply_changed(state: State, entry: Entry) -> None:
    """Change a channel's filing state, number, settings or custodians; absent keys stay as they are."""
    channel, data = state.channels[entry.object], entry.data
    channel.filing = data.get("filing", channel.filing)
    channel.filing_number = data.get("filing_number", channel.filing_number)
    channel.settings = data.get("settings", channel.settings)
    channel.custodians = tuple(data.get("custodians", channel.custodians))
    channel.name = data.get("name", channel.name)
    channel.seq = entry.seq


def apply_credential(state: State, entry: Entry) -> None:
    """Bind a new credential version; tokens for the old one no longer match."""
    channel, data = state.channels[entry.object], entry.data
    channel.credential = Credential(data["version"], data["secret"], data["sha256"])
    channel.credential_version = data["version"]
    channel.seq = entry.seq


def apply_credential_retired(state: State, entry: Entry) -> None:
    """Leave the channel without a credential; versions go on counting."""
    channel = state.channels[entry.object]
    channel.credential = None
    channel.seq = entry.seq


APPLY: ApplyTable = {
    EntryType.CHANNEL_ADDED: apply_added,
    EntryType.CHANNEL_CHANGED: apply_changed,
    EntryType.CREDENTIAL_STORED: apply_credential,
    EntryType.CREDENTIAL_RETIRED: apply_credential_retired,
}
