"""Enrolment and one's own factors: first code and password, one-time codes, passkeys, recovery codes, the 暗记.

A factor's row is sealed and stored before the entry that binds it. Whoever has a signing factor proves every change of factors with one;
a lost phone is answered by a recovery code, or by two other people.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web

from gateway import canonical
from gateway.canonical import Digest
from gateway.enforcer.codes import code_digest
from gateway.enforcer.counter import prove
from gateway.enforcer.counter.parts import COUNTER, Counter, form_of, page, see, session_of
from gateway.enforcer.counter.signin import assertion_of, enter, named
from gateway.enforcer.ids import new_id
from gateway.enforcer.proofs import ProofRefused, Proven, public_of, user_handle
from gateway.machine.people import SIGNING
from gateway.machine.state import Person
from gateway.protocol.commands import AddFactor, Enrol, Factor, Grade, Request, RevokeFactor, UseRecovery
from gateway.protocol.denials import Denied
from gateway.protocol.entries import SYSTEM
from gateway.protocol.statements import FACTOR_LABEL, list_digest
from vault import passkeys, totp
from vault.errors import CodeRefused, PasskeyRefused, PasswordRefused, Sealed, TooMany
from vault.rows import SealedRow
from vault.secretbytes import SecretBytes
from vault.throttle import Throttle

ENROL_TRIES: Final = Throttle(free=20, base_seconds=1, max_seconds=60)
RECOVER_TRIES: Final = Throttle(free=5, base_seconds=30, max_seconds=3600)
_NEW: Final = frozenset({"totp-new", "passkey-new"})


def _seal(counter: Counter, factor: str, version: int, secret: bytes) -> SealedRow:
    try:
        with SecretBytes(secret) as kept:
            return counter.parts.vault.put(secret_id=factor, version=version, secret=kept)
    except Sealed as error:
        raise Denied("vault_sealed") from error


async def _bind(counter: Counter, row: SealedRow | None, request: Request, blobs: Mapping[Digest, bytes] | None = None) -> None:
    """Store the row, then bind it; take it away again where the machine says no."""
    if row is not None:
        counter.parts.sealed.insert(row)
    try:
        await counter.parts.runner.submit(request, blobs=blobs)
    except Denied:
        if row is not None:
            counter.parts.sealed.delete(row.secret_id, row.version)
        raise


# ---- enrolment


async def show_enrol(request: web.Request) -> web.Response:
    """Show the first page of an enrolment."""
    return page(request, "enrol.html", error="")


async def enrol(request: web.Request) -> web.StreamResponse:
    """Redeem a one-time code with a first password; the browser becomes a known device."""
    counter, form = request.app[COUNTER], await form_of(request)
    runner = counter.parts.runner
    try:
        counter.sessions.db.attempt("enrol", ENROL_TRIES, runner.clock.moment())
    except TooMany:
        return page(request, "enrol.html", status=429, error="throttled")
    if form.get("password", "") != form.get("again", ""):
        return page(request, "enrol.html", status=400, error="differ")
    digest = code_digest(form.get("code", "")[:80])
    person = next((p for p in runner.state.people.values() if p.enrolment is not None and p.enrolment[0] == digest), None)
    if person is None:
        raise Denied("enrolment_invalid")
    try:
        hashed = await asyncio.to_thread(counter.passwords.hash, form.get("password", "")[:1000], context=_own_words(counter, person.id))
    except PasswordRefused as refused:
        return page(request, "enrol.html", status=400, error=refused.reason)
    except Sealed as error:
        raise Denied("vault_sealed") from error
    row = _seal(counter, new_id("pwd"), 1, hashed.encode())
    factor = Factor(factor=row.secret_id, kind="password", version=1, sha256=Digest(row.sha256))
    await _bind(counter, row, Request(command=Enrol(person=person.id, code=digest, password=factor), actor=SYSTEM, grade=Grade.SYSTEM))
    counter.sessions.db.forgive("enrol")
    return enter(request, counter, person.id, factor=factor.factor, device_token=request.cookies.get(counter.device_cookie, ""),
                 then="/s/devices")


def _own_words(counter: Counter, person: str) -> tuple[str, ...]:
    views = counter.parts.views
    return tuple(text for text in (views.name(person), views.detail(person, "extension"), views.detail(person, "mail")) if text)


async def set_phrase(request: web.Request) -> web.StreamResponse:
    """Keep the person's 暗记, which every signing page shows them."""
    counter, form = request.app[COUNTER], await form_of(request)
    text = " ".join(form.get("phrase", "").split())[:24]
    if not text.isprintable() or not text:
        raise Denied("invalid", detail="phrase")
    counter.sessions.db.run("INSERT OR REPLACE INTO phrases VALUES (?, ?)", (session_of(request).person, text))
    raise see("/s/devices")


# ---- adding factors


def _me(request: web.Request) -> tuple[Counter, Person]:
    counter = request.app[COUNTER]
    return counter, counter.parts.runner.state.people[session_of(request).person]


async def _add(request: web.Request, factor: Factor, row: SealedRow | None, **shown: Any) -> web.StreamResponse:
    """Bind a factor at once where the person has none to prove with, else ask for a proof over exactly this one."""
    counter, person = _me(request)
    codes = shown.get("codes", ())
    if not any(known.kind in SIGNING for known in person.factors.values()):
        await _bind(counter, row, Request(command=AddFactor(factor=factor, proof=None), actor=person.id, grade=Grade.COUNTER))
        if codes:
            return page(request, "factor_proof.html", kind=factor.kind, sheet=None, codes=codes)
        raise see("/s/devices")
    payload = {
        "factor": {"factor": factor.factor, "kind": factor.kind, "version": factor.version, "sha256": factor.sha256, "public": factor.public},
        "row": base64.b64encode(row.row).decode() if row else "",
    }
    sheet = prove.begin(request, "factor", list_digest(FACTOR_LABEL, [(factor.sha256, factor.kind)]), payload)
    return page(request, "factor_proof.html", kind=factor.kind, sheet=sheet, codes=codes)


async def added(request: web.Request, proven: Proven, _form: Mapping[str, str]) -> web.StreamResponse:
    """Bind a proven factor."""
    counter, person = _me(request)
    factor = Factor(**proven.begun.payload["factor"])
    kept = proven.begun.payload["row"]
    row = SealedRow(secret_id=factor.factor, version=factor.version, row=base64.b64decode(kept)) if kept else None
    command = AddFactor(factor=factor, proof=proven.proof)
    await _bind(counter, row, Request(command=command, actor=person.id, grade=Grade.PROOF), proven.blobs)
    raise see("/s/devices")


async def begin_totp(request: web.Request) -> web.Response:
    """Show a new secret as a QR code; it counts only after one code of it was typed."""
    counter, person = _me(request)
    name = counter.parts.views.name(person.id)
    fresh = totp.enrol(account=name, issuer="签发台")
    current = person.factor_of("totp")
    factor, version = (current.id, current.version + 1) if current else (new_id("otp"), 1)
    row = _seal(counter, factor, version, fresh.secret.expose())
    payload = {"factor": factor, "version": version, "row": base64.b64encode(row.row).decode()}
    begun = counter.proofs.begin(person.id, session_of(request).id, "totp-new", Digest(row.sha256), payload)
    return page(request, "totp.html", qr=totp.qr_svg(fresh.uri), uri=fresh.uri, secret=base64.b32encode(fresh.secret.expose()).decode(),
                nonce=begun.nonce, error="")


async def confirm_totp(request: web.Request) -> web.StreamResponse:
    """Check a first code of a new secret, then bind the secret."""
    counter, person = _me(request)
    form, runner = await form_of(request), counter.parts.runner
    begun = counter.proofs.look(person.id, session_of(request).id, form.get("nonce", "")[:100])
    if begun.act != "totp-new":
        raise ProofRefused("gone")
    payload = begun.payload
    row = SealedRow(secret_id=payload["factor"], version=payload["version"], row=base64.b64decode(payload["row"]))
    now = runner.clock.moment()
    try:
        counter.sessions.db.attempt(f"totp:{person.id}", RECOVER_TRIES, now)
        with counter.parts.vault.lease(secret_id=row.secret_id, version=row.version, row=row.row, expected_sha256=begun.digest,
                                       purpose="enrol") as secret:
            totp.verify(secret.expose(), form.get("code", ""), at=now, last_step=None)
    except TooMany as error:
        raise ProofRefused("throttled", error.retry_after) from error
    except CodeRefused as error:
        raise ProofRefused(error.reason) from error
    except Sealed as error:
        raise Denied("vault_sealed") from error
    counter.sessions.db.forgive(f"totp:{person.id}")
    if not counter.proofs.drop(begun.nonce):
        raise ProofRefused("gone")
    return await _add(request, Factor(factor=row.secret_id, kind="totp", version=row.version, sha256=Digest(row.sha256)), row)


async def passkey_options(request: web.Request) -> web.Response:
    """Begin the registration of a passkey."""
    counter, person = _me(request)
    existing = [passkey.credential_id for _, passkey in counter.proofs.passkeys(person.id)]
    begun = counter.proofs.begin(person.id, session_of(request).id, "passkey-new", canonical.sha256(b""), {"challenge": secrets.token_hex(32)})
    name = counter.parts.views.name(person.id)
    options = passkeys.registration_options(
        counter.rp(request), user_handle=user_handle(person.id), user_name=name, display_name=name, existing=existing,
        challenge=bytes.fromhex(begun.payload["challenge"]),
    )
    return web.json_response({"nonce": begun.nonce, "options": options})


async def add_passkey(request: web.Request) -> web.StreamResponse:
    """Verify a new passkey, then bind it."""
    counter, person = _me(request)
    form = await form_of(request)
    begun = counter.proofs.look(person.id, session_of(request).id, form.get("nonce", "")[:100])
    if begun.act != "passkey-new" or not counter.proofs.drop(begun.nonce):
        raise ProofRefused("gone")
    try:
        made = passkeys.verify_registration(counter.rp(request), assertion_of(form), challenge=bytes.fromhex(begun.payload["challenge"]))
    except PasskeyRefused as refused:
        raise ProofRefused(refused.reason) from refused
    if counter.proofs.owner_of(made.credential_id) is not None:
        raise ProofRefused("not_yours")
    label = " ".join(form.get("label", "").split())[:40]
    public = public_of(made, counter.parts.values.commit(label) if label.isprintable() and label else "")
    sha256 = canonical.digest({name: value for name, value in public.items() if name != "sign_count"})
    return await _add(request, Factor(factor=new_id("pky"), kind="passkey", version=1, sha256=sha256, public=public), None)


async def new_recovery(request: web.Request) -> web.StreamResponse:
    """Make ten recovery codes, shown this once; they count once bound."""
    counter, person = _me(request)
    fresh = totp.new_recovery_codes()
    current = person.factor_of("recovery")
    factor, version = (current.id, current.version + 1) if current else (new_id("rec"), 1)
    row = _seal(counter, factor, version, "\n".join(fresh.hashes).encode())
    return await _add(request, Factor(factor=factor, kind="recovery", version=version, sha256=Digest(row.sha256)), row, codes=fresh.codes)


async def begin_revoke(request: web.Request) -> web.StreamResponse:
    """Give up one of one's own factors, with a proof where there is one to prove with."""
    counter, person = _me(request)
    factor = person.factors.get((await form_of(request)).get("factor", ""))
    if factor is None:
        raise Denied("factor_unknown")
    if not any(known.kind in SIGNING for known in person.factors.values()):
        await counter.parts.runner.submit(Request(command=RevokeFactor(factor=factor.id), actor=person.id, grade=Grade.COUNTER))
        raise see("/s/devices")
    digest = list_digest(FACTOR_LABEL, [(Digest(factor.sha256), "revoke")])
    return page(request, "factor_proof.html", kind="revoke", sheet=prove.begin(request, "revoke", digest, {"factor": factor.id}), codes=())


async def revoked(request: web.Request, proven: Proven, _form: Mapping[str, str]) -> web.StreamResponse:
    """Give the proven factor up."""
    counter, person = _me(request)
    command = RevokeFactor(factor=proven.begun.payload["factor"], proof=proven.proof)
    await counter.parts.runner.submit(Request(command=command, actor=person.id, grade=Grade.PROOF), blobs=proven.blobs)
    raise see("/s/devices")


# ---- recovery


async def show_recover(request: web.Request) -> web.Response:
    """Show the page for a lost phone."""
    return page(request, "recover.html", error="")


async def recover(request: web.Request) -> web.StreamResponse:
    """Name, password and a recovery code together: the code is spent, signing factors fall, the browser becomes a known device."""
    counter, form = request.app[COUNTER], await form_of(request)
    person = named(counter, form.get("name", ""))
    key = person.id if person else "name:" + form.get("name", "").casefold()[:80]
    try:
        counter.sessions.db.attempt(f"recover:{key}", RECOVER_TRIES, counter.parts.runner.clock.moment())
    except TooMany:
        return page(request, "recover.html", status=429, error="throttled")
    password = person.factor_of("password") if person and not person.suspended else None
    current = person.factor_of("recovery") if person else None
    try:
        stored = None
        if password is not None:
            with counter.proofs.secret(password) as secret:
                stored = secret.decode()
        await asyncio.to_thread(counter.passwords.verify, stored, form.get("password", "")[:1000])
        if current is None:
            raise CodeRefused("wrong")
        with counter.proofs.secret(current) as kept:
            left = totp.use_recovery_code(form.get("code", "")[:80], kept.decode().split("\n"))
    except (PasswordRefused, CodeRefused):
        return page(request, "recover.html", status=403, error="wrong")
    except Sealed as error:
        raise Denied("vault_sealed") from error
    assert person is not None
    assert password is not None
    row = _seal(counter, current.id, current.version + 1, ("\n".join(left) or "-").encode())
    factor = Factor(factor=current.id, kind="recovery", version=row.version, sha256=Digest(row.sha256))
    await _bind(counter, row, Request(command=UseRecovery(person=person.id, row=factor), actor=SYSTEM, grade=Grade.SYSTEM))
    return enter(request, counter, person.id, factor=password.id, device_token="", then="/s/devices")
