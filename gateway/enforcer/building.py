"""Building the enforcer's parts from its data folder: verified log, replayed state, vault still sealed. Faces come in `app.py`."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, ExitStack

from gateway.clock import Clock
from gateway.config import Settings
from gateway.connectors.base import Connector
from gateway.connectors.transport import Transport
from gateway.enforcer.blobs import BlobStore
from gateway.enforcer.followup import Followup
from gateway.enforcer.gate import Gate
from gateway.enforcer.lifecycle import Lifecycle, bound_rows, check_rows
from gateway.enforcer.parts import Parts
from gateway.enforcer.reading import Reader, worth_it
from gateway.enforcer.runner import Runner
from gateway.enforcer.startup import Progress, StartRefused, hold, start
from gateway.enforcer.submitting import Submitting
from gateway.enforcer.values import Values
from gateway.enforcer.views import Views
from gateway.enforcer.worker import Worker
from gateway.log.errors import LogUnavailable
from gateway.log.store import StoreReader
from gateway.machine.state import State
from vault.seal import Vault
from vault.slots import Argon2Policy
from vault.store import SealedStore


async def build(
    settings: Settings, stack: AsyncExitStack, *, connectors: Mapping[str, Connector], worker: Worker, isolated: bool,
    argon2: Argon2Policy | None = None, clock: Clock | None = None, on_broken: Callable[[LogUnavailable], None] = lambda _error: None,
    progress: Progress | None = None, commit_deadline: float = 5.0,
) -> tuple[Parts, Lifecycle]:
    """Verify and replay the log, hold the stored rows against it, and return the parts, sealed; `stack` closes them.

    Raises:
        StartRefused: another enforcer runs here, the log is not what was signed, the settings are another deployment's, or a stored row
            is missing or is not the one the log names.
        LogUnavailable: the log cannot be read.
    """
    folder = settings.enforcer_data
    stack.callback(os.close, hold(folder))
    with ExitStack() as only_now:
        second = Reader.fork() if worth_it(folder / "log.db") else None  # here, where there is one thread, no open database and no key
        if second is not None:
            only_now.callback(second.close)
        started = await asyncio.to_thread(start, folder / "log.db", settings.copies, settings.log_key, progress=progress, reader=second)
    stack.callback(started.parts.copies.close)
    stack.callback(started.parts.store.close)
    check_settings(settings, started.state)
    clock = clock or Clock()
    clock.not_before(started.state.last_at)
    runner = Runner(
        tip=started.tip, state=started.state, parts=started.parts, clock=clock, blobs=BlobStore(folder / "blobs"),
        vault=Vault(deployment=settings.deployment, argon2=argon2), on_broken=on_broken, commit_deadline=commit_deadline,
    )
    sealed = SealedStore.open(folder / "sealed.db")
    stack.callback(sealed.close)
    sealed.take_aside(bound_rows(started.state))  # rewrapped rows that a crash kept from their place
    check_rows(started.state, list(sealed.rows()))
    values = Values(folder / "values.db")
    stack.callback(values.close)
    reader = StoreReader.open_readonly(folder / "log.db")
    stack.callback(reader.close)
    transport = await stack.enter_async_context(Transport(settings.kind))
    gate = Gate(runner=runner, sealed=sealed, values=values, connectors=connectors, bases=settings.platform_bases, transport=transport)
    views = Views(started.state, values)
    parts = Parts(
        settings=settings, runner=runner, vault=runner.vault, sealed=sealed, values=values, views=views, connectors=connectors, gate=gate,
        followup=Followup(gate), worker=worker, reader=reader,
        submitting=Submitting(runner=runner, values=values, views=views, connectors=connectors, worker=worker),
    )
    views.read_entries(parts.entry)
    return parts, Lifecycle(parts, isolated=isolated)


def check_settings(settings: Settings, state: State) -> None:
    """Raise where the settings file says another deployment, kind or address than the log: a sandbox's tokens must never reach live hosts.

    Raises:
        StartRefused: which line of qianfa.toml differs.
    """
    told = {"deployment": settings.deployment, "kind": settings.kind, "desk_url": settings.desk_url, "counter_url": settings.counter_url}
    logged = {"deployment": state.deployment, "kind": state.kind, "desk_url": state.desk, "counter_url": state.counter}
    for name, value in told.items():
        if value != logged[name]:
            raise StartRefused(
                f"qianfa.toml 的 {name} 是 {value}，存证里是 {logged[name]}：部署的身份在建立时就定了，请改回",
                f"{name} is {value} in qianfa.toml and {logged[name]} in the log: a deployment's identity was fixed when it was founded; set it back",
            )
