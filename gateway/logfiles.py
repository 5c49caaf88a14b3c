"""Verify, prove and export from the log's files, whether an enforcer runs on them or not.

Root opens no database there: it belongs to the enforcer's user, whose bytes SQLite would parse and whose folder would get files of root's. All
of it is done by the user who owns the log (`ownership.as_owner`); only the pack itself is the file of whoever asked, opened before.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from gateway.commands import CommandFailed
from gateway.config import Settings
from gateway.enforcer.evidence import Sources, write_pack, write_range
from gateway.enforcer.startup import StartRefused, check, check_copy
from gateway.log import audit
from gateway.log.audit import AuditReport
from gateway.log.bundle import inclusion_text
from gateway.log.checkpoint import parse_vkey
from gateway.log.errors import LogUnavailable
from gateway.ownership import as_owner, open_regular
from gateway.protocol.denials import Denied


@dataclass(frozen=True, slots=True)
class Verdict:
    """What verification of a whole store says."""

    ok: bool
    text: str


def _done_by_owner(log: Path, do: Callable[[], str]) -> str:
    """Return what `do` returns, done by the user who owns the log's folder, or the log where the folder is root's.

    Raises:
        CommandFailed: `do` raised it, or there is no plain file.
    """
    def judged() -> str:
        try:
            open_regular(log).close()
            return "+" + do()
        except CommandFailed as failed:
            return f"-{failed}"
        except LogUnavailable as error:
            return f"-存证读不出来 / the log cannot be read: {error.code} {error}"

    try:
        answer = as_owner(log.parent if log.parent.stat().st_uid else log, judged, patience=0)
    except OSError as error:
        raise CommandFailed(f"存证读不出来 / the log cannot be read: {error.strerror or error}: {log}") from error
    if answer[:1] != "+":
        raise CommandFailed(answer[1:])
    return answer[1:]


def _log_at(place: Path) -> Path:
    """Return the log in a backup, in an enforcer's folder, or the file itself."""
    return next((path for path in (place / "enforcer" / "log.db", place / "log.db") if path.exists()), place)


def verify(settings: Settings, place: Path | None, *, progress: Callable[[int, int], None]) -> Verdict:
    """Verify the deployment's log, or the one at `place`, against its signatures and the copy outside."""
    log = settings.enforcer_data / "log.db" if place is None else _log_at(place)
    try:
        ok, text = json.loads(_done_by_owner(log, lambda: json.dumps(_verified(settings, log, own=place is None, progress=progress))))
    except CommandFailed as failed:
        return Verdict(ok=False, text=f"✗ {failed}")
    return Verdict(ok=ok, text=text)


def _verified(settings: Settings, log: Path, *, own: bool, progress: Callable[[int, int], None]) -> tuple[bool, str]:
    began, key = time.monotonic(), parse_vkey(settings.log_key)
    report: AuditReport | None = None
    try:
        if own:
            check_copy(1, settings.copies)
        copies = [settings.copies] if settings.copies.exists() else []
        report = audit.verify_store(log, key, copies=copies, progress=progress)
        if not own:  # an older state of the log is whole even where the copy outside has gone on
            report.findings = [finding for finding in report.findings if finding.code != "tail_missing"]
        check(report)
    except StartRefused as refused:
        return False, "\n".join([f"✗ {refused.zh}", f"✗ {refused.en}", *(_found(report) if report else ())])
    return True, (
        f"✓ {report.size} 条存证完整、未改（{time.monotonic() - began:.1f} 秒）\n✓ {report.size} entries are whole and unaltered\n"
        f"  指纹 fingerprint {key.fingerprint}")


def _found(report: AuditReport) -> Iterator[str]:
    """Yield every finding in a line: the code, and the first and last entry it is about."""
    for finding in report.findings:
        yield f"  · {finding.code}: {finding.first}" + (f"–{finding.last}" if finding.last != finding.first else "")


def progress_bar() -> Callable[[int, int], None]:
    """Return a progress callback that draws on a terminal and is silent elsewhere."""
    if not sys.stderr.isatty():
        return lambda _done, _total: None

    def draw(done: int, total: int) -> None:
        part = done / total if total else 1.0
        sys.stderr.write(f"\r[{'█' * int(part * 30):<30}] {done}/{total}" + ("\n" if done >= total else ""))
        sys.stderr.flush()

    return draw


def _whole(settings: Settings) -> AuditReport:
    """Return the report on the deployment's log, which must verify."""
    report = audit.verify_store(settings.enforcer_data / "log.db", parse_vkey(settings.log_key))
    if not report.ok or report.note is None:
        raise CommandFailed("存证核对不过：运行 qianfa log verify / the log does not verify: run `qianfa log verify`")
    return report


def prove(settings: Settings, seq: int) -> str:
    """Return the inclusion proof of an entry under the newest checkpoint.

    Raises:
        CommandFailed: there is no such entry, or the log does not verify.
    """
    def proof() -> str:
        report = _whole(settings)
        if report.note is None or not 0 <= seq < report.size:
            raise CommandFailed(f"没有第 {seq} 条 / there is no entry {seq}; the log has {report.size}")
        return inclusion_text(report.tree, seq, report.note).decode()

    return _done_by_owner(settings.enforcer_data / "log.db", proof)


def export(settings: Settings, identifier: str, target: Path) -> str:
    """Write the evidence pack about `identifier` to `target`, from the files alone (the enforcer may run or not).

    Raises:
        CommandFailed: nothing concerns the id, the log does not verify, or the pack cannot be written.
    """
    def write(sources: Sources, file: IO[bytes]) -> str:
        write_pack(sources, identifier, file)
        return ""

    _exported(settings, target, write, f"存证里没有关于 {identifier} 的内容 / nothing in the log concerns {identifier}")
    return _pack_words(target)


def export_range(settings: Settings, first: int, last: int | None, target: Path) -> str:
    """Write the pack that holds every entry from `first` to `last` (None: the newest) to `target`, as `export` does.

    Raises:
        CommandFailed: the log has no such entries, does not verify, or the pack cannot be written.
    """
    def write(sources: Sources, file: IO[bytes]) -> str:
        begins, ends = write_range(sources, first, last, file)
        return f"每一条 every entry {begins} – {ends}"

    said = _exported(settings, target, write, f"存证里没有这些条 / the log has no entries {first} to {last}")
    return f"{said}\n{_pack_words(target)}"


def _pack_words(target: Path) -> str:
    return f"{target}  (python3 verify.py inside it, or: python3 -m gateway.log.verify {target})"


def _exported(settings: Settings, target: Path, write: Callable[[Sources, IO[bytes]], str], nothing: str) -> str:
    with _written(target) as file:
        def work() -> str:
            report = _whole(settings)
            sources = Sources.of_folder(settings.enforcer_data, report.tree, report.chain)
            try:
                said = write(sources, file)
                file.flush()  # this process may be another than the one that closes the file
            except Denied as denied:
                raise CommandFailed(nothing) from denied
            except OSError as error:
                raise CommandFailed(_unwritten(target, error)) from error
            finally:
                sources.values.close()
            return said

        return _done_by_owner(settings.enforcer_data / "log.db", work)


def _unwritten(target: Path, error: OSError) -> str:
    return f"写不了 / cannot write {target}: {error.strerror or error}"


@contextmanager
def _written(target: Path) -> Iterator[Any]:
    """Give a file that becomes `target` only when it is whole and on the disk; closed to others (0600), as what is in it may be personal."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(8)}.part")
    try:
        # exclusive: a link that somebody put there is not followed (open(2), O_EXCL)
        handle = os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w+b") as file:
            yield file
            os.fsync(file.fileno())
        part.replace(target)
    except OSError as error:
        raise CommandFailed(_unwritten(target, error)) from error
    finally:
        part.unlink(missing_ok=True)
