"""Write the entry and token vectors: `python tests/vectors/generate_machine.py`; a test holds the files equal to what this writes.

`entry/log.jsonl` is a whole small log, one entry a line; `entry/states.json` holds the digest of the state after each entry, from replay. One file
a type, `entry/<type>.json`, holds one sample: {comment, type, seq, entry, sha256} with the SHA-256 of the canonical bytes. Once a version is
released these files only grow: a change in `apply` that alters a digest would rewrite history.

`token/<name>.json` is {comment, expect, text, public_key}: the text form of a token, and `ok` or what refuses it: `signature_invalid` (the envelope)
or `claims_invalid` (what was signed). The key is made from a fixed seed and signs nothing else.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import canonical
from gateway.canonical import sha256
from gateway.machine import State, apply
from gateway.machine.policy import RULES, Rule
from gateway.machine.state import Office
from gateway.protocol import claims, instants
from gateway.protocol import commands as c
from gateway.protocol.commands import Change
from gateway.protocol.entries import CommandRef, EntryType, load
from tests.gateway.machine.company import WINDOW, Company, state_digest, text_digest
from tests.gateway.machine.test_lists import CONFIRM, back, item
from vault import dsse

FOLDER = Path(__file__).parent
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()


def tell() -> Company:
    """Return a company whose log has every entry type."""
    company = Company.staffed()
    company.system(c.StartEnforcer(version="0.1.0", isolated=True))
    company.system(c.RecordVault(action="rotated", about="term 2", stored=(c.StoredRow(id="vault/term/2", version=1, sha256=sha256(b"row")),)))
    company.system(c.RotateLogKey(new_key="log+2", signature="sig"))
    company.switch("totp_release", "off")
    _people(company)
    _submissions(company)
    _publications(company)
    company.do(c.Freeze(scope="all", target="", reason=text_digest("舆情")), "fang", ref=CommandRef("cmd_freeze_0001", sha256(b"body")))
    company.thaw(next(iter(company.state.freezes)), "xu", "he")
    company.do(c.Refuse(code="channel_unfiled", rule="R7", source="desk", channel="ch_travel", content=sha256(b"c"), about="ch_travel",
                        missing=("filing",)), "lin", c.Grade.SYSTEM)
    company.system(c.Erase(commitments=(sha256(b"name"),), reason="left"))
    company.system(c.TakeCounters(counts={"throttled": 3, "stale_view": 1}))
    company.system(c.OpenIncarnation(epoch="epo_2", origin="qianfa/dep_heting/epo_1", size=company.state.size, root=sha256(b"root")))
    _later(company)
    return company


def _later(company: Company) -> None:
    """Types that came after the first vectors stand at the end, so that what was written before stays as it was."""
    company.lift(company.blackout("channel", "ch_weibo", kind="earnings"))
    company.blackout(start=48, hours=24)
    publication = company.released("ch_web")[0]
    submission = company.state.publications[publication].submission
    company.rules = (*RULES, Rule("R14", "level:company", (("approve", ((Office.LEADER, "group"),)),), "", ""))
    company.reroute(submission)
    company.approve("shen", submission)
    company.release("fang", submission)
    company.rules = RULES
    confirmed = company.submit("lu", "ch_web", "ch_weibo", findings=CONFIRM)
    returned = company.submit("lu", "ch_wechat")
    company.sign("gu", item(company, "gu", confirmed, "approve", checked=text_digest("ticked")), back(company, "gu", returned))
    company.sign("fang", item(company, "fang", confirmed, "release", checked=text_digest("ticked"), channels=("ch_weibo",)))
    company.do(c.HandOver(submission=confirmed, revision=1, to="xu"), "fang")
    company.do(c.Recall(submission=confirmed), "lu", c.Grade.DESK)


def _people(company: Company) -> None:
    company.suspend("qin")
    company.restore("qin")
    company.end_office("shao", Office.AUDITOR)
    company.add_factor("qin", c.Factor(factor="recovery_qin", kind="recovery", version=1, sha256=sha256(b"codes")))
    company.system(c.UseRecovery(person="qin", row=c.Factor(factor="recovery_qin", kind="recovery", version=2, sha256=sha256(b"codes 2"))))
    company.do(c.RevokeFactor(factor="password_qin"), "qin")
    company.do(c.Decline(proposal=company.propose("xu", Change(type=EntryType.POLICY_SET, object="totp_route", data={"value": "on"}))), "xu")
    company.change("fang", "he", Change(type=EntryType.CREDENTIAL_RETIRED, object="ch_travel", data={"version": 1}))
    company.change("xu", "he", Change(type=EntryType.CHANNEL_CHANGED, object="ch_web", data={
        "settings": {"daily_limit": "50"}, "name": "官网", "filing": "filed", "filing_number": "备-2026-2", "custodians": ["fang", "xu"]}))


def _submissions(company: Company) -> None:
    submission = company.submit("lu", "ch_irrigation")
    company.do(c.Return(submission=submission, revision=1, reason="wording", notes=text_digest("notes")), "gu")
    company.submit("lu", "ch_irrigation", submission=submission)
    company.do(c.Recall(submission=submission), "lu")
    company.do(c.Cancel(submission=submission), "lu")
    taken = company.submit("lu", "ch_web", "ch_wechat", facts={"category": "other"}, window_to=instants.plus(company.at, 3_600))
    company.approve("gu", taken)
    company.do(c.TakeBack(submission=taken, stage="approve:unit_head:unit_irrigation"), "gu")
    company.wait(3_600)
    company.system(c.Expire(submission=taken))
    company.do(c.Renew(submission=taken, window_to=WINDOW), "lu")


def _publications(company: Company) -> None:
    live = company.live("ch_web")
    company.system(c.RecordDrift(publication=live, observed=text_digest("！")))
    edit = company.takedown("lu", live, "edit")
    company.approve("gu", edit)
    edited = company.release("fang", edit)[0]
    company.spend(edited)
    company.prepare(edited)
    company.dispatch(edited)
    company.outcome(edited, "pending")
    company.outcome(edited, "live", matches=True)
    company.send(company.emergency("xu", edited), "gone")
    unknown = company.released("ch_web")[0]
    company.send(unknown, "unknown")
    company.settle(unknown, EntryType.PUBLICATION_ABSENT, how="三次查找均无")
    company.send(company.released("ch_wechat")[0], "rejected")
    company.do(c.Stop(publication=company.released("ch_web")[0]), "gu")
    company.system(c.Abandon(publication=company.released("ch_web")[0], cause="window"))
    missed = company.released("ch_web", scheduled=instants.plus(company.at, 600))[0]
    company.wait(3_600)
    company.system(c.Miss(publication=missed))
    company.released("ch_weibo")


def entry_vectors() -> dict[str, str]:
    """Return the entry files by name."""
    bodies = [entry.to_bytes() for entry in tell().entries]
    state, digests, samples = State(), [], {}
    for seq, body in enumerate(bodies):
        entry = load(body)
        apply(state, entry)
        digests.append(state_digest(state))
        samples.setdefault(entry.type, (seq, body))
    files = {f"{kind}.json": _text({"comment": f"The first {kind} of log.jsonl.", "type": kind, "seq": seq, "entry": json.loads(body),
                                    "sha256": sha256(body)}) for kind, (seq, body) in samples.items()}
    return {**files, "log.jsonl": b"\n".join(bodies).decode() + "\n", "states.json": _text(digests)}


def token_vectors() -> dict[str, str]:
    """Return the token files by name."""
    company = Company.staffed("live")
    company.released("ch_web")
    good = company.ids.claims[-1]
    value = canonical.parse(good)
    flipped = bytearray(good)
    flipped[-10] ^= 1
    other = Ed25519PrivateKey.from_private_bytes(bytes(32))
    cases: dict[str, tuple[str, str, str]] = {
        "ok": ("What 方小满 released on route A.", "ok", sign(good)),
        "withdrawal": ("An emergency withdrawal: no approvals, no content.", "ok", sign(canonical.encode(
            {**value, "operation": "withdraw", "approvals": [], "content": None, "previous": {"id": "101", "digest": value["template"]}}))),
        "other-key": ("Signed by another key.", "signature_invalid", _encode(good, other)),
        "other-type": ("Another payload type.", "signature_invalid", dsse.encode_text(dsse.sign(
            good, payload_type="application/vnd.qianfa.checkpoint.v1+json", public_key=PUBLIC, signer=KEY.sign))),
        "payload-changed": ("One bit of the payload changed after signing.", "signature_invalid", dsse.encode_text(dsse.Envelope(
            payload_type=claims.PAYLOAD_TYPE, payload=bytes(flipped), signatures=dsse.parse_text(sign(good)).signatures))),
        "missing-claim": ("exp is missing.", "claims_invalid", _spoiled({k: v for k, v in value.items() if k != "exp"})),
        "unknown-claim": ("A claim that nobody knows.", "claims_invalid", _spoiled({**value, "quorum": 2})),
        "version-2": ("Another version.", "claims_invalid", _spoiled({**value, "v": 2})),
        "revision-text": ("A number as text.", "claims_invalid", _spoiled({**value, "revision": "1"})),
        "version-true": ("true where 1 is meant.", "claims_invalid", _spoiled({**value, "v": True})),
        "exp-free-text": ("An end that sorts after everything.", "claims_invalid", _spoiled({**value, "exp": "never"})),
        "exp-before-nbf": ("A window that ends before it starts.", "claims_invalid", _spoiled({**value, "exp": value["nbf"]})),
        "no-approval": ("A publication that nobody approved.", "claims_invalid", _spoiled({**value, "approvals": []})),
        "audience-other": ("For another deployment than its issuer.", "claims_invalid",
                           _spoiled({**value, "aud": {**value["aud"], "deployment": "dep_other"}})),
        "float": ("1.0 for 1.", "claims_invalid", sign(good.replace(b'"v":1', b'"v":1.0'))),
        "duplicate-key": ("One key twice.", "claims_invalid", sign(good.replace(b'"v":1', b'"v":1,"v":1'))),
        "spaced": ("White space.", "claims_invalid", sign(good.replace(b'"v":1', b'"v": 1'))),
    }
    return {f"{name}.json": _text({"comment": comment, "expect": expect, "text": text, "public_key": PUBLIC.hex()})
            for name, (comment, expect, text) in cases.items()}


def _spoiled(value: dict[str, Any]) -> str:
    return sign(canonical.encode(value))


def sign(payload: bytes) -> str:
    """Return a token text over any payload."""
    return _encode(payload, KEY)


def _encode(payload: bytes, key: Ed25519PrivateKey) -> str:
    public = key.public_key().public_bytes_raw()
    return dsse.encode_text(dsse.sign(payload, payload_type=claims.PAYLOAD_TYPE, public_key=public, signer=key.sign))


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def main() -> None:
    """Write both folders."""
    for folder, files in (("entry", entry_vectors()), ("token", token_vectors())):
        (FOLDER / folder).mkdir(exist_ok=True)
        for name, text in files.items():
            (FOLDER / folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
