"""Verify an evidence pack, offline and alone: `python3 verify.py pack.zip [--fingerprint "XXXX XXXX …"]`.

This one file needs Python 3.11 and the `cryptography` package, nothing of the system that wrote the pack. It follows every binding:

1. the zip itself: plain files of known names, none twice, none overlapping, sizes bounded;
2. first key -> fingerprint; each later key -> a note by the key before it; checkpoint -> the key its size demands;
3. entry -> proof -> checkpoint; in a range, every entry between two checkpoints, so that absence shows;
4. digest in an entry -> blob, salted value, or an entry that says it was erased;
5. approval token -> the key entry 0 names -> the entry that minted it -> each decision it names -> the statement that person signed
   -> the list and the passkey signature over it; and everything the publication's entries say against the token's claims.

Formats: docs/spec/bundle.md; RFC 6962, c2sp.org/signed-note, tlog-checkpoint, tlog-proof; DSSE; W3C WebAuthn. A pack is hostile until shown
otherwise: nothing is extracted, nothing in it is run. Exit status 0 says complete and unaltered, 1 anything else.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import struct
import sys
import zipfile
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any, Final, NoReturn
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

MAX_FILES: Final = 20_000
MAX_FILE: Final = 64 << 20
MAX_TOTAL: Final = 1 << 30
MAX_ENTRY: Final = 65_535

PAYLOAD_TYPE: Final = b"application/vnd.qianfa.approval.v1+json"
CHALLENGE_LABEL: Final = b"qianfa/approval-challenge/v1\0"
ROTATION: Final = "qianfa-log-key-rotated/v1"
LIST_LABELS: Final = ("qianfa/list/v1", "qianfa/emergency/v1")
ENTRY_KEYS: Final = {"v", "seq", "type", "at", "actor", "object", "command", "data"}
MUST_SHOW: Final = frozenset({
    "content", "template", "statement", "evidence", "token", "name", "reason", "comment", "checked", "message", "notes", "rip", "blob",
})
"""Fields whose digest must be backed by a blob, a salted value or an erasure; other digests may stand alone."""
SAME: Final = ("jti", "submission", "revision", "operation", "channel", "content", "template", "epoch", "policy")
"""Fields of a publication's entries that must say what the token says."""

_NAME = re.compile(
    r"manifest\.json|checkpoint\.txt|from\.txt|values\.json|README\.txt|verify\.py|log\.jsonl|keys/[a-z]+(-[0-9]+)?\.pem"
    r"|entries/[0-9]{10}\.json|proofs/[0-9]{10}\.tlog-proof|blobs/[0-9a-f]{64}|tokens/[0-9a-f]{64}\.(pae|sig)",
    re.ASCII,
)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}", re.ASCII)
_SIGNATURE = re.compile(r"— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")


class Broken(Exception):
    """One thing that does not hold; `entry` is the entry it is about, where there is one."""

    def __init__(self, zh: str, en: str, entry: int | None = None) -> None:
        super().__init__(en)
        self.zh = zh
        self.en = en
        self.entry = entry


@dataclass
class Verdict:
    """What was found: faults decide, notes are said beside them."""

    fingerprint: str = ""
    origin: str = ""
    size: int = 0
    entries: int = 0
    tokens: int = 0
    first: int | None = None
    faults: list[Broken] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    compared: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing is missing and nothing was altered."""
        return not self.faults


def verify_pack(file: IO[bytes], fingerprint: str | None = None) -> Verdict:
    """Verify the pack in the seekable `file`; with `fingerprint`, also that its first key is the one on the card.

    Never raises for what a pack holds: whatever is wrong is a fault in the verdict.
    """
    verdict = Verdict()
    try:
        pack = _Pack(file, verdict)
        pack.check(fingerprint)
    except Broken as fault:
        verdict.faults.append(fault)
    except Exception as error:  # noqa: BLE001 -- whatever hostile bytes raise, in zlib or on a field of another type, is a fault and never a success
        verdict.faults.append(Broken("这不是能读的证据包", f"not a readable pack ({type(error).__name__})"))
    return verdict


class _Pack:
    def __init__(self, file: IO[bytes], verdict: Verdict) -> None:
        self.verdict = verdict
        self.zip, self.names = _open_zip(file)
        self.manifest = self._manifest()
        self.ranged = self.manifest["kind"] == "range"
        self.entries: dict[int, dict[str, Any]] = {}
        self.bodies: dict[int, bytes] = {}
        self.backed: set[str] = set()
        self.blobs: dict[str, bytes] = {}

    def check(self, fingerprint: str | None) -> None:
        self._read_bodies()
        checkpoint = self._checkpoint(fingerprint)
        self._include(checkpoint)
        self._check_pems()
        self._back()
        self._tokens()
        self._decisions()
        self.verdict.entries = len(self.entries)

    def read(self, name: str, limit: int = MAX_FILE) -> bytes:
        if name not in self.names:
            _fail(f"缺少文件 {name}", f"{name} is missing")
        with self.zip.open(self.names[name]) as handle:
            data = handle.read(limit + 1)
            if len(data) > limit:
                _fail(f"文件 {name} 过大", f"{name} is too large")
            return data

    def fault(self, zh: str, en: str, entry: int | None = None) -> None:
        if len(self.verdict.faults) < 100:
            self.verdict.faults.append(Broken(zh, en, entry))

    def _manifest(self) -> dict[str, Any]:
        value = _json(self.read("manifest.json", 1 << 20), "manifest.json")
        shape = {"v": int, "kind": str, "id": str, "vkey": str, "start": int, "edge": list}
        if type(value) is not dict or value.keys() != shape.keys() or any(type(value[k]) is not t for k, t in shape.items()):
            _fail("清单格式不对", "manifest.json has another form")
        if value["v"] != 1 or value["kind"] not in {"object", "range"}:
            _fail("清单版本未知", "manifest.json is of an unknown version")
        return dict(value)

    # 2. keys and checkpoint

    def _read_bodies(self) -> None:
        for name in sorted(self.names):
            if name.startswith("entries/"):
                self._entry(int(name[8:18]), self.read(name, MAX_ENTRY))
        start = self.manifest["start"]
        if not self.ranged:
            if "log.jsonl" in self.names or "from.txt" in self.names or self.manifest["edge"] or start:
                _fail("清单与内容不符", "a pack about one object holds parts of a range")
            return
        if start < 0:
            _fail("清单格式不对", "manifest.json has another form")
        with self.zip.open(self.names["log.jsonl"] if "log.jsonl" in self.names else _missing("log.jsonl")) as lines:
            seq = start
            while line := lines.readline(MAX_ENTRY + 2):
                if not line.endswith(b"\n"):
                    _fail(f"第 {seq} 条不完整", f"entry {seq} is cut off", seq)
                self._entry(seq, line[:-1])
                seq += 1
        self.stop = seq

    def _entry(self, seq: int, body: bytes) -> None:
        if seq in self.entries:
            _fail(f"第 {seq} 条重复", f"entry {seq} is there twice", seq)
        value = _json(body, f"entry {seq}", seq)
        if type(value) is not dict or value.keys() != ENTRY_KEYS or value["v"] != 1 or type(value["data"]) is not dict:
            _fail(f"第 {seq} 条格式不对", f"entry {seq} has another form", seq)
        if type(value["seq"]) is not int or value["seq"] != seq:
            _fail(f"第 {seq} 条编号不符", f"entry {seq} says it is another", seq)
        self.entries[seq], self.bodies[seq] = value, body

    def _checkpoint(self, fingerprint: str | None) -> tuple[bytes, int, bytes]:
        key = _vkey(self.manifest["vkey"])
        self.keys: list[tuple[int, str, bytes]] = [(0, *key)]
        self.verdict.fingerprint = found = _fingerprint(*key)
        if fingerprint is not None:
            self.verdict.compared = True
            if re.sub(r"[\s:-]", "", fingerprint).upper() != found.replace(" ", ""):
                self.fault("指纹与给出的不符：这不是那套系统的记录", "the fingerprint is not the one given: another system's log")
        for seq in sorted(self.entries):
            if self.entries[seq]["type"] == "key.rotated":
                self._follow(seq)
        note = self.read("checkpoint.txt", 1 << 16)
        origin, size, root = self._open(note)
        self.verdict.origin, self.verdict.size = origin, size
        opened = self.entries.get(0)
        if opened is not None and opened["type"] == "deployment.opened":
            keys = opened["data"].get("keys")
            if type(keys) is not dict or keys.get("log") != self.manifest["vkey"]:
                self.fault("第 0 条写的日志公钥不是本包的公钥", "entry 0 names another log key", 0)
        return note, size, root

    def _follow(self, seq: int) -> None:
        data = self.entries[seq]["data"]
        _, name, old = self.keys[-1]
        new_name, new = _vkey(data.get("key"))
        text = f"{ROTATION}\n{_vkey_text(name, old)}\n{data['key']}\n"
        signed = type(data.get("signature")) is str and _note(data["signature"].encode(), name, old) == text
        if not signed or new_name != name or any(new == public for _, _, public in self.keys):
            _fail(f"第 {seq} 条的换钥不成立", f"the key rotation in entry {seq} does not hold", seq)
        self.keys.append((seq, name, new))

    def _open(self, note: bytes) -> tuple[str, int, bytes]:
        lines = _note_text(note).split("\n")
        if len(lines) < 4 or lines[-1] or not all(lines[:-1]) or not _NUMBER.fullmatch(lines[1]):
            _fail("检查点格式不对", "the checkpoint has another form")
        size = int(lines[1])
        name, public = next(((n, p) for start, n, p in reversed(self.keys) if size > start), self.keys[0][1:])
        _note(note, name, public)
        if lines[0].rpartition("/")[0] != name:
            _fail("检查点不是这套系统的", "the checkpoint is another log's")
        root = _unb64(lines[2])
        if len(root) != 32:
            _fail("检查点格式不对", "the checkpoint has another form")
        return lines[0], size, root

    # 3. inclusion, or the whole range

    def _include(self, checkpoint: tuple[bytes, int, bytes]) -> None:
        note, size, root = checkpoint
        proofs = {int(name[7:17]) for name in self.names if name.startswith("proofs/")}
        single = {int(name[8:18]) for name in self.names if name.startswith("entries/")}
        for seq in sorted(proofs - single):
            self.fault(f"缺少第 {seq} 条", f"entry {seq} is missing", seq)
        for seq in sorted(single):
            leaf = sha256(b"\x00" + self.bodies[seq]).digest()
            path = _proof(self.read(f"proofs/{seq:010d}.tlog-proof", 1 << 17), seq, note)
            if _root_from(leaf, seq, size, path) != root:
                self.fault(f"第 {seq} 条与检查点不符：已被改动", f"entry {seq} does not lead to the checkpoint: altered", seq)
        if self.ranged:
            self._range(size, root)
        elif not single:
            _fail("包里没有任何条目", "the pack holds no entry")

    def _range(self, size: int, root: bytes) -> None:
        start = self.manifest["start"]
        edge = [_unb64(text) for text in self.manifest["edge"]]
        if len(edge) != start.bit_count() or any(len(node) != 32 for node in edge):
            _fail("区间左端不成立", "the left edge has another form")
        if not start and "from.txt" in self.names:
            _fail("清单与内容不符", "a range from the beginning has no first checkpoint")
        if start:
            _, old, old_root = self._open(self.read("from.txt", 1 << 16))
            if old != start or _fold(edge) != old_root:
                _fail("区间左端与起始检查点不符", "the left edge does not lead to the first checkpoint")
        if self.stop != size:
            _fail(f"区间不完整：应到 {size} 条，只到 {self.stop} 条", f"the range ends at {self.stop}, not at {size}")
        for seq in range(start, size):
            node, count = sha256(b"\x00" + self.bodies[seq]).digest(), seq
            while count & 1:
                node = sha256(b"\x01" + edge.pop() + node).digest()
                count >>= 1
            edge.append(node)
        if _fold(edge) != root:
            _fail("区间与检查点不符：其中有条目被改动、增删或换序", "the range does not lead to the checkpoint: altered, added or dropped")
        self.verdict.first = start

    def _check_pems(self) -> None:
        """The PEM files are for other tools; they must hold the keys that were verified and no other."""
        pems = {name: self.read(name, 4096) for name in self.names if name.startswith("keys/")}
        raws = {name: _pem(name, data) for name, data in pems.items()}
        expected = {f"keys/log-{index}.pem": public for index, (_, _, public) in enumerate(self.keys)}
        approval = self._approval_key()
        if approval is not None:
            expected["keys/approval.pem"] = approval
        if any(expected.get(name) != raw for name, raw in raws.items()):
            self.fault("公钥文件与日志里的公钥不符", "a PEM file holds another key than the log")

    def _approval_key(self) -> bytes | None:
        opened = self.entries.get(0)
        keys = opened["data"].get("keys") if opened is not None and opened["type"] == "deployment.opened" else None
        text = keys.get("approval") if type(keys) is dict else None
        raw = _unb64(text) if type(text) is str else b""
        return raw if len(raw) == 32 else None

    # 4. digests

    def _back(self) -> None:
        for name in self.names:
            if name.startswith("blobs/"):
                data = self.read(name)
                if sha256(data).hexdigest() != name[6:]:
                    self.fault(f"附件 {name} 已被改动", f"{name} was altered")
                self.blobs["sha256:" + name[6:]] = data
        values = self._values()
        mentioned: set[str] = set()
        for body in self.bodies.values():
            mentioned.update(_DIGEST.findall(body.decode()))
        waiting = [digest for digest in self.blobs if digest in mentioned]
        while waiting:
            for digest in _DIGEST.findall(self.blobs[waiting.pop()].decode("utf-8", "replace")):
                if digest not in mentioned:
                    mentioned.add(digest)
                    if digest in self.blobs:
                        waiting.append(digest)
        for digest in sorted((self.blobs.keys() | values) - mentioned):
            self.fault(f"附件或原文 {digest[:19]} 没有任何条目提到", f"nothing in the log mentions {digest[:19]}")
        erased = {
            digest for entry in self.entries.values() if entry["type"] == "values.erased"
            for digest in _listed(entry["data"].get("commitments"))
        }
        shown = self.blobs.keys() | values
        for entry in self.entries.values():
            if entry["type"] == "signing.made":  # the digest of a list needs no blob: its items are in the entry
                shown |= {str(entry["data"]["proof"].get("list"))} if type(entry["data"].get("proof")) is dict else set()
        if not self.ranged:
            self._require(shown, erased)

    def _values(self) -> set[str]:
        if "values.json" not in self.names:
            return set()
        found: set[str] = set()
        rows = _json(self.read("values.json"), "values.json")
        for row in rows if type(rows) is list else _fail("原文格式不对", "values.json has another form"):
            if type(row) is not dict or row.keys() != {"commitment", "salt", "value"} or any(type(v) is not str for v in row.values()):
                _fail("原文格式不对", "values.json has another form")
            salt = _unb64(row["salt"])
            if len(salt) != 32 or "sha256:" + sha256(salt + row["value"].encode()).hexdigest() != row["commitment"]:
                self.fault(f"原文与记录不符：{row['commitment'][:19]}", f"a value is not the one committed to: {row['commitment'][:19]}")
            found.add(row["commitment"])
        return found

    def _require(self, shown: set[str], erased: set[str]) -> None:
        for seq, entry in self.entries.items():
            for name, digest in _digests(entry["data"]):
                if name in {"content", "template"} and digest in self.blobs:
                    for missing in sorted(_named(self.blobs[digest]) - shown - erased):
                        self.fault(f"第 {seq} 条的 {name} 所含的 {missing[:19]} 缺少原件", f"{missing[:19]}, part of entry {seq}'s {name}, is missing", seq)
                if name not in MUST_SHOW or digest in shown:
                    continue
                if digest in erased:
                    self.verdict.notes.append((f"第 {seq} 条的 {name} 已依法删除", f"{name} of entry {seq} was erased, on the log"))
                else:
                    self.fault(f"第 {seq} 条的 {name} 缺少原件", f"{name} of entry {seq} is missing", seq)

    # 5. tokens and decisions

    def _tokens(self) -> None:
        minted: dict[str, int] = {}
        for seq, entry in sorted(self.entries.items()):
            if entry["type"] == "token.minted":
                digest = entry["data"].get("token")
                if type(digest) is str and digest in self.blobs:
                    minted[entry["object"]] = seq
                    self._token(seq, entry, digest)
                elif not self.ranged:
                    self.fault(f"第 {seq} 条的签发令不在包里", f"the token of entry {seq} is missing", seq)
        names = {name for name in self.names if name.startswith("tokens/")}
        known = {f"tokens/{self.entries[seq]['data']['token'][7:]}.{end}" for seq in minted.values() for end in ("pae", "sig")}
        for name in sorted(names - known):
            self.fault(f"{name} 不属于任何签发令", f"{name} belongs to no token")
        sent = ("publication.intended", "publication.dispatched", "publication.live", "publication.gone")
        for seq, entry in self.entries.items():
            if entry["type"] in sent and not self.ranged and minted.get(entry["object"], seq) >= seq:
                self.fault(f"第 {seq} 条的发布没有在先的签发令", f"entry {seq} published without an earlier token", seq)

    def _token(self, seq: int, entry: dict[str, Any], digest: str) -> None:
        self.verdict.tokens += 1
        try:
            payload, signature = _envelope(self.blobs[digest])
            signed = b"DSSEv1 %d %b %d %b" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE, len(payload), payload)
            key = self._approval_key()
            if key is None:
                _fail("第 0 条没有签发公钥", "entry 0 with the approval key is missing", seq)
            if not _signed(key, signature, signed):
                _fail(f"第 {seq} 条的签发令签名不对", f"the signature of the token in entry {seq} is wrong", seq)
            stem = f"tokens/{digest[7:]}"
            for name, data in ((f"{stem}.pae", signed), (f"{stem}.sig", signature)):
                if name in self.names and self.read(name, 1 << 14) != data:
                    _fail(f"{name} 与签发令不符", f"{name} is not the token's", seq)
            claims = _json(payload, "token", seq)
            if type(claims) is not dict:
                _fail("签发令格式不对", "the token's claims have another form", seq)
            self._claims(seq, entry, claims)
        except Broken as fault:
            self.fault(fault.zh, fault.en, fault.entry if fault.entry is not None else seq)

    def _claims(self, seq: int, entry: dict[str, Any], claims: dict[str, Any]) -> None:
        if claims.get("publication") != entry["object"]:
            _fail(f"第 {seq} 条的签发令是另一次发布的", f"the token in entry {seq} is about another publication", seq)
        opened = self.entries.get(0)
        if opened is None or claims.get("iss") != opened["object"]:
            _fail(f"第 {seq} 条的签发令是另一套系统的", f"the token in entry {seq} is another deployment's", seq)
        for at, other in self.entries.items():
            if other["object"] == entry["object"]:
                self._same(at, other["data"], claims)
        submission = self._submission(seq, claims)
        approvals, release = claims.get("approvals"), claims.get("release")
        if type(approvals) is not list or type(release) is not dict:
            _fail("签发令格式不对", "the token's claims have another form", seq)
        for approval in (*approvals, release):
            self._approval(seq, claims, approval, submission)

    def _submission(self, seq: int, claims: dict[str, Any]) -> dict[str, Any]:
        """Return the data of the submission that a token is about, once it names the same author, content, channel and template."""
        want = [claims.get("channel"), claims.get("operation"), claims.get("template"), self.entries[seq]["data"].get("previous")]
        for at, entry in self.entries.items():
            data = entry["data"]
            if entry["type"] != "submission.made" or entry["object"] != claims.get("submission") or at >= seq:
                continue
            same = data.get("revision") == claims.get("revision") and data.get("content") == claims.get("content")
            if same and entry["actor"] == claims.get("author") and want in _targets(data):
                return dict(data)
        raise Broken(f"第 {seq} 条的签发令与报审的内容不符", f"the token in entry {seq} is not about what was submitted", seq)

    def _same(self, at: int, data: dict[str, Any], claims: dict[str, Any]) -> None:
        for name in SAME:
            if name in data and data[name] != claims.get(name):
                self.fault(f"第 {at} 条的 {name} 与签发令不符", f"{name} of entry {at} is not what the token permits", at)

    def _approval(self, seq: int, claims: dict[str, Any], approval: Any, submission: dict[str, Any]) -> None:
        at = approval.get("entry") if type(approval) is dict else None
        decision = self.entries.get(at) if type(at) is int else None
        if decision is None or decision["type"] != "decision.made" or at is None or at >= seq:
            _fail(f"签发令引用的决定（第 {at} 条）不在包里", f"the decision that the token names, entry {at}, is not in the pack", seq)
        data = decision["data"]
        same = all(data.get(name) == approval.get(name) for name in ("office", "stage", "method"))
        if decision["actor"] != approval.get("person") or decision["object"] != claims.get("submission") or not same:
            _fail(f"第 {at} 条不是签发令所说的决定", f"entry {at} is not the decision that the token names", at)
        if data.get("revision") != claims.get("revision") or data.get("verdict") not in {"approve", "release"}:
            _fail(f"第 {at} 条不是签发令所说的决定", f"entry {at} is not the decision that the token names", at)
        if "statement" not in data or data["statement"] != approval.get("statement"):
            _fail(f"第 {at} 条签的是另一份内容", f"entry {at} signed another statement", at)
        if submission.get("emergency") is True:
            pairs = [[target[2], target[3]] for target in _targets(submission)]
            if not _is_list(pairs, data["statement"], LIST_LABELS[1:]) or claims.get("operation") != "withdraw":
                _fail(f"第 {at} 条所签内容与签发令不符", f"what entry {at} signed is not what the token says", at)
            return
        blob = self.blobs.get(data["statement"]) if type(data["statement"]) is str else None
        if blob is None:
            _fail(f"第 {at} 条的签发内容缺失", f"the statement of entry {at} is missing", at)
        statement = _json(blob, "statement", at)
        same = type(statement) is dict and statement.get("verdict") == data["verdict"]
        if not same or not _states(statement, claims, approval, self.entries[seq]["data"].get("previous")):
            _fail(f"第 {at} 条所签内容与签发令不符", f"what entry {at} signed is not what the token says", at)

    def _decisions(self) -> None:
        """Every decision stands in a list that the same person proved; every passkey proof in the pack verifies."""
        lists: dict[tuple[str, str], tuple[int, str | None]] = {}
        for seq, entry in sorted(self.entries.items()):
            if entry["type"] == "signing.made":
                data, proof = entry["data"], entry["data"].get("proof")
                listed = proof.get("list") if type(proof) is dict else None
                if not _is_list(data.get("items"), listed):
                    self.fault(f"第 {seq} 条的清单指纹不符", f"the list digest of entry {seq} is not that of its items", seq)
                    continue
                lists[entry["actor"], str(listed)] = (seq, None)
                lists |= {(entry["actor"], digest): (seq, verdict) for digest, verdict in data["items"]}
                if proof.get("method") == "passkey" and (not self.ranged or proof.get("evidence") in self.blobs):
                    self._passkey(seq, entry)
        for seq, entry in self.entries.items():
            returned = entry["type"] == "submission.returned" and entry["data"].get("statement") is not None
            if (entry["type"] == "decision.made" or returned) and not self.ranged:
                made, verdict = lists.get((entry["actor"], str(entry["data"].get("statement"))), (seq, None))
                if made >= seq:
                    self.fault(f"第 {seq} 条的决定没有本人的签发验证", f"no proof by that person covers the decision in entry {seq}", seq)
                elif entry["data"].get("method") != self.entries[made]["data"]["proof"].get("method"):
                    self.fault(f"第 {seq} 条的决定不是它所说的方式签的", f"the decision in entry {seq} was proven in another way than it says", seq)
                elif verdict is not None and not self._stated(entry, verdict):
                    self.fault(f"第 {seq} 条的决定与本人所签内容不符", f"the decision in entry {seq} is not what that person signed", seq)

    def _stated(self, entry: dict[str, Any], verdict: str) -> bool:
        """Return whether a decision, or a return under a proof, is the one that its statement says; a statement that is not here is said elsewhere."""
        data = entry["data"]
        if data.get("verdict", "return") != verdict:
            return False
        blob = self.blobs.get(data["statement"])
        if blob is None:
            return True
        try:
            said = json.loads(blob)
        except (ValueError, RecursionError):
            return False
        opened = self.entries.get(0)
        want = {name: data.get(name) for name in ("revision", "stage", "office", "checked", "reason", "notes")} | {
            "verdict": verdict, "signer": entry["actor"], "submission": entry["object"], "deployment": opened["object"] if opened else None}
        if type(said) is not dict or any(said.get(name) != value for name, value in want.items()):
            return False
        targets, made = _targets(said), [
            other["data"] for other in self.entries.values() if other["type"] == "submission.made" and other["object"] == entry["object"]
        ]
        return bool(targets) and any(
            said.get("content") == one.get("content") and one.get("revision") == data.get("revision") and all(t in _targets(one) for t in targets)
            for one in made
        )

    def _passkey(self, seq: int, entry: dict[str, Any]) -> None:
        proof = entry["data"]["proof"]
        try:
            blob = self.blobs.get(str(proof.get("evidence")))
            if blob is None:
                _fail(f"第 {seq} 条的通行密钥证据缺失", f"the passkey evidence of entry {seq} is missing", seq)
            evidence, nonce = _json(blob, "evidence", seq), _any_b64(proof.get("nonce"))
            challenge = sha256(CHALLENGE_LABEL + nonce + bytes.fromhex(proof["list"][7:])).digest()
            opened = self.entries.get(0)
            host = str(opened["data"].get("counter")) if opened is not None else ""
            if len(nonce) != 32 or type(evidence) is not dict or not _assertion(evidence, challenge, host):
                _fail(f"第 {seq} 条的通行密钥签名不成立", f"the passkey signature of entry {seq} does not hold", seq)
            self._enrolled(seq, entry["actor"], proof.get("factor"), evidence)
        except Broken as fault:
            self.fault(fault.zh, fault.en, fault.entry if fault.entry is not None else seq)

    def _enrolled(self, seq: int, person: str, factor: Any, evidence: dict[str, Any]) -> None:
        """The key that signed is the one that an earlier entry enrolled for this person."""
        parts = _key_parts(_any_b64(evidence.get("public_key")))
        for at, other in self.entries.items():
            data = other["data"]
            if other["type"] != "factor.enrolled" or other["object"] != person or at >= seq or data.get("factor") != factor:
                continue
            public = data.get("public")
            if type(public) is dict and public.get("credential_id") == evidence.get("credential_id"):
                stored = _any_b64(public.get("public_key"))
                if parts and all(part in stored for part in parts):
                    return
        _fail(f"第 {seq} 条所用的通行密钥没有登记给本人", f"the passkey of entry {seq} was not enrolled for that person", seq)


def _open_zip(file: IO[bytes]) -> tuple[zipfile.ZipFile, dict[str, zipfile.ZipInfo]]:
    file.seek(0)
    if file.read(4) != b"PK\x03\x04":
        _fail("这不是证据包", "not a pack")
    pack = zipfile.ZipFile(file)
    infos = pack.infolist()
    if len(infos) > MAX_FILES or sum(info.file_size for info in infos) > MAX_TOTAL or pack.comment:
        _fail("证据包过大或带有附注", "the pack is too large or carries a comment")
    names: dict[str, zipfile.ZipInfo] = {}
    end = 0
    for info in sorted(infos, key=lambda item: item.header_offset):
        plain = info.compress_type in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED} and not info.comment
        link = info.external_attr >> 16 & 0o170000 not in {0, 0o100000}
        if not _NAME.fullmatch(info.orig_filename) or not plain or link or info.filename in names:
            _fail("证据包里有不该有的文件", f"the pack holds a file that it may not hold: {info.orig_filename[:80]!r}")
        if info.file_size > MAX_FILE and info.filename != "log.jsonl":
            _fail("证据包里有过大的文件", "a file in the pack is too large")
        end += _local(file, info, end)
        names[info.filename] = info
    # No pack is so large that its end is written twice: with a second, longer end some tools read another directory than this one.
    last = file.seek(-22, 2)
    said = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, len(infos), len(infos), last - end, end, 0) if end <= last <= 0xFFFFFFFF else b""
    if end != pack.start_dir or file.read(22) != said:
        _fail("证据包里有目录之外的内容", "the pack holds something that its directory does not list")
    return pack, names


def _local(file: IO[bytes], info: zipfile.ZipInfo, at: int) -> int:
    """Return how long a member is with its own header, which must stand at `at` and say what the directory says.

    Other tools read these headers and not the directory, or believe extra fields about names: they must not see another pack than this.
    """
    file.seek(at)
    head = struct.unpack("<4s5H3I2H", file.read(30))
    name, extra = file.read(head[9]), file.read(head[10])
    fields = _extra(extra)
    sizes = (head[7], head[8])
    if sizes == (0xFFFFFFFF, 0xFFFFFFFF) and len(fields.get(1, b"")) == 16:
        sizes = struct.unpack("<QQ", fields[1])[::-1]
    said = (head[0], head[2], head[3], head[6], sizes, name)
    same = said == (b"PK\x03\x04", info.flag_bits, info.compress_type, info.CRC, (info.compress_size, info.file_size), info.orig_filename.encode())
    known = {1, 0x0A, 0x5455, 0x7875}  # long sizes, times, user ids
    if info.header_offset != at or not same or info.flag_bits & ~0x806 or not (fields.keys() | _extra(info.extra).keys()) <= known:
        _fail("证据包里有不该有的文件", f"the pack holds a file that it may not hold: {info.orig_filename[:80]!r}")
    return 30 + len(name) + len(extra) + info.compress_size


def _extra(data: bytes) -> dict[int, bytes]:
    """Return a member's extra fields by their ids (APPNOTE.TXT, 4.5)."""
    found: dict[int, bytes] = {}
    while data:
        kind, length = struct.unpack("<2H", data[:4])
        if kind in found or len(data) < 4 + length:
            _fail("证据包里有不该有的文件", "a file in the pack has extra fields of another form")
        found[kind], data = data[4 : 4 + length], data[4 + length :]
    return found


def _fail(zh: str, en: str, entry: int | None = None) -> NoReturn:
    raise Broken(zh, en, entry)


def _missing(name: str) -> NoReturn:
    _fail(f"缺少文件 {name}", f"{name} is missing")


def _no_number(_: str) -> NoReturn:
    raise ValueError("no floats")


def _json(data: bytes, name: str, entry: int | None = None) -> Any:
    """Parse canonical JSON: what is read must encode to the same bytes again."""
    try:
        value = json.loads(data.decode(), parse_float=_no_number, parse_constant=_no_number)
        again = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        again, value = b"", None
    if again != data:
        _fail(f"{name} 不是规范的 JSON", f"{name} is not canonical JSON", entry)
    return value


def _unb64(text: Any) -> bytes:
    try:
        data = base64.b64decode(text, validate=True) if type(text) is str else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        _fail("编码不规范", "not canonical base64")
    return data


def _any_b64(text: Any) -> bytes:
    """Decode base64url without padding, in its one spelling."""
    if type(text) is not str or "=" in text:
        _fail("编码不规范", "not canonical base64url")
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if base64.urlsafe_b64encode(data).decode().rstrip("=") != text:
        _fail("编码不规范", "not canonical base64url")
    return data


def _key_hash(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n\x01" + public).digest()


def _fingerprint(name: str, public: bytes) -> str:
    text = _key_hash(name, public)[:16].hex().upper()
    return " ".join(text[i : i + 4] for i in range(0, 32, 4))


def _vkey_text(name: str, public: bytes) -> str:
    return f"{name}+{_key_hash(name, public)[:4].hex()}+{base64.b64encode(bytes([1]) + public).decode()}"


def _vkey(text: Any) -> tuple[str, bytes]:
    name, _, rest = text.partition("+") if type(text) is str else ("", "", "")
    material = _unb64(rest.partition("+")[2])
    if not re.fullmatch(r"[^\s+]+", name) or len(material) != 33 or _vkey_text(name, material[1:]) != text:
        _fail("公钥格式不对", "not a verifier key")
    return name, material[1:]


def _note_text(note: bytes) -> str:
    try:
        text = note.decode()
    except UnicodeDecodeError:
        text = ""
    cut = text.rfind("\n\n")
    if cut < 0 or not text.endswith("\n") or re.search(r"[\x00-\x09\x0b-\x1f]", text):
        _fail("检查点格式不对", "not a signed note")
    return text[: cut + 1]


def _note(note: bytes, name: str, public: bytes) -> str:
    """Return the text of a note signed by one key; others' signatures are ignored, a wrong one of this key rejects it."""
    text = _note_text(note)
    lines = note.decode()[len(text) + 1 : -1].split("\n")
    good = False
    for line in lines if len(lines) <= 64 else []:
        match = _SIGNATURE.fullmatch(line)
        if match is None:
            _fail("检查点格式不对", "not a signed note")
        blob = _unb64(match[2])
        if match[1] == name and blob[:4] == _key_hash(name, public)[:4]:
            if not _signed(public, blob[4:], text.encode()):
                _fail("检查点签名不对", "the checkpoint's signature is wrong")
            good = True
    if not good:
        _fail("检查点没有本系统的签名", "the checkpoint is not signed by the log's key")
    return text


def _signed(public: bytes, signature: bytes, message: bytes) -> bool:
    try:
        ed25519.Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def _proof(data: bytes, seq: int, note: bytes) -> list[bytes]:
    head, gap, rest = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if not gap or rest != note or lines[:2] != [b"c2sp.org/tlog-proof@v1", b"index %d" % seq] or len(lines) > 66:
        _fail(f"第 {seq} 条的证明格式不对", f"the proof of entry {seq} has another form", seq)
    path = [_unb64(line.decode("ascii", "replace")) for line in lines[2:]]
    if any(len(node) != 32 for node in path):
        _fail(f"第 {seq} 条的证明格式不对", f"the proof of entry {seq} has another form", seq)
    return path


def _root_from(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes | None:
    """Return the root that the proof leads to, or None where it has another length than this index and size demand."""
    if index >= size:
        return None
    inner = (index ^ (size - 1)).bit_length()
    if len(path) != inner + (index >> inner).bit_count():
        return None
    node = leaf
    for level, other in enumerate(path):
        right = level >= inner or index >> level & 1
        node = sha256(b"\x01" + (other + node if right else node + other)).digest()
    return node


def _fold(edge: list[bytes]) -> bytes:
    if not edge:
        return sha256(b"").digest()
    root = edge[-1]
    for node in reversed(edge[:-1]):
        root = sha256(b"\x01" + node + root).digest()
    return root


def _pem(name: str, data: bytes) -> bytes:
    try:
        key = serialization.load_pem_public_key(data)
    except ValueError:
        key = None
    if not isinstance(key, ed25519.Ed25519PublicKey):
        _fail(f"{name} 不是公钥", f"{name} is not an Ed25519 key")
    return key.public_bytes_raw()


def _digests(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return every digest in entry data with the name of the field it stands in."""
    if type(value) is str:
        return [(name, value)] if _DIGEST.fullmatch(value) else []
    if type(value) is dict:
        return [found for key, item in value.items() for found in _digests(item, key)]
    return [found for item in value for found in _digests(item, name)] if type(value) is list else []


def _named(blob: bytes) -> set[str]:
    """Return the blobs that a content or a template is made of, by the fields that name them; a digest that somebody wrote into a text is text."""
    try:
        inner = [json.loads(blob)]
    except (ValueError, RecursionError):
        return set()
    found: set[str] = set()
    while inner:
        value = inner.pop()
        if type(value) is dict:
            found |= {value[key] for key in ("sha256", "digest") if type(value.get(key)) is str and _DIGEST.fullmatch(value[key])}
            inner += value.values()
        elif type(value) is list:
            inner += value
    return found


def _listed(value: Any) -> list[str]:
    return [item for item in value if type(item) is str] if type(value) is list else []


def _envelope(text: bytes) -> tuple[bytes, bytes]:
    """Return payload and the one signature of a token, `qf1.` and base64url of its DSSE envelope."""
    if not text.startswith(b"qf1.") or len(text) > 1 << 14:
        _fail("签发令格式不对", "not an approval token")
    value = _json(_any_b64(text[4:].decode("ascii", "replace")), "token")
    if type(value) is not dict or value.keys() != {"payload", "payloadType", "signatures"} or value["payloadType"] != PAYLOAD_TYPE.decode():
        _fail("签发令格式不对", "not an approval token")
    signatures = value["signatures"]
    if type(signatures) is not list or len(signatures) != 1 or type(signatures[0]) is not dict:
        _fail("签发令格式不对", "a token has one signature")
    return _unb64(value["payload"]), _unb64(signatures[0].get("sig"))


def _targets(data: dict[str, Any]) -> list[list[Any]]:
    targets = data.get("targets")
    names = ("channel", "operation", "template", "previous")
    return [[t.get(name) for name in names] for t in targets if type(t) is dict] if type(targets) is list else []


def _states(statement: dict[str, Any], claims: dict[str, Any], approval: dict[str, Any], previous: Any) -> bool:
    """Return whether a statement says what the token claims of it: who, by which office, what, and where."""
    pairs = [
        (statement.get("signer"), approval.get("person")), (statement.get("office"), approval.get("office")),
        (statement.get("stage"), approval.get("stage")), (statement.get("deployment"), claims.get("iss")),
        *((statement.get(name), claims.get(name)) for name in ("submission", "revision", "content", "epoch", "policy")),
    ]
    want = [claims.get("channel"), claims.get("operation"), claims.get("template"), previous]
    return all(said == claimed for said, claimed in pairs) and _targets(statement).count(want) == 1


def _is_list(items: Any, digest: Any, labels: tuple[str, ...] = LIST_LABELS) -> bool:
    """Return whether `digest` is that of the ordered pairs of a signed list under one of the labels."""
    if type(items) is not list or not items:
        return False
    if any(type(item) is not list or len(item) != 2 or any(type(text) is not str for text in item) for item in items):
        return False
    texts = (json.dumps({"items": items, "label": label}, ensure_ascii=False, separators=(",", ":")) for label in labels)
    return any(digest == "sha256:" + sha256(text.encode()).hexdigest() for text in texts)


def _key_parts(der: bytes) -> list[bytes]:
    """Return the parts of a public key, which has verified a signature, that its enrolled COSE form holds too."""
    key = serialization.load_der_public_key(der)
    if isinstance(key, ec.EllipticCurvePublicKey):
        numbers = key.public_numbers()
        return [numbers.x.to_bytes((key.key_size + 7) // 8, "big"), numbers.y.to_bytes((key.key_size + 7) // 8, "big")]
    if isinstance(key, rsa.RSAPublicKey):
        rsa_numbers = key.public_numbers()
        return [rsa_numbers.n.to_bytes((key.key_size + 7) // 8, "big"), rsa_numbers.e.to_bytes((rsa_numbers.e.bit_length() + 7) // 8, "big")]
    return [key.public_bytes_raw()] if isinstance(key, ed25519.Ed25519PublicKey) else []


def _assertion(proof: dict[str, Any], challenge: bytes, host: str) -> bool:
    """Verify a passkey assertion (WebAuthn Level 3, 7.2): type, challenge, origin, RP ID hash, presence, verification, signature."""
    client, data = _any_b64(proof.get("client_data_json")), _any_b64(proof.get("authenticator_data"))
    try:
        said = json.loads(client)
    except (ValueError, RecursionError):
        return False
    name = urlsplit(host if "//" in host else f"//{host}").hostname
    if type(said) is not dict or said.get("type") != "webauthn.get" or said.get("crossOrigin") not in {None, False} or name is None:
        return False
    origin = urlsplit(str(said.get("origin")))
    if _any_b64(said.get("challenge")) != challenge or origin.hostname != name:
        return False
    if len(data) < 37 or data[:32] != sha256(name.encode()).digest() or data[32] & 5 != 5:
        return False
    return _key_signed(_any_b64(proof.get("public_key")), _any_b64(proof.get("signature")), data + sha256(client).digest())


def _key_signed(der: bytes, signature: bytes, message: bytes) -> bool:
    try:
        key = serialization.load_der_public_key(der)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(signature, message)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def report(verdict: Verdict) -> str:
    """Return the verdict in words, Chinese first; what the pack itself says in them can neither end a line nor steer a terminal."""
    if verdict.ok:
        lines = ["结论：完整，未改。", "Verdict: complete and unaltered."]
    else:
        lines = ["结论：不成立。", "Verdict: does not hold."]
        for fault in verdict.faults:
            lines += [f"  ✗ {fault.zh}", f"    {fault.en}"]
    lines += [f"  · {zh} / {en}" for zh, en in verdict.notes]
    if verdict.ok and verdict.first is None:
        lines.append("这里证明的是包内条目及其所指：与它们有关、但没有放进包里的条目，只有区间包看得出来。")
        lines.append("This holds for the entries in the pack and all they name: whether others about them were left out shows in a pack of a range only.")
    if verdict.origin:
        lines.append(f"条目 entries: {verdict.entries}   签发令 tokens: {verdict.tokens}")
        lines.append(f"日志 log: {verdict.origin}   全长 size: {verdict.size}")
    if verdict.first is not None and verdict.ok:
        lines.append(f"区间完整 range whole: {verdict.first} – {verdict.size - 1}")
    if verdict.fingerprint:
        lines.append(f"指纹 fingerprint: {verdict.fingerprint}")
    if verdict.fingerprint and not verdict.compared:
        lines.append("请与启用时打印的卡片逐组核对指纹；不一致则本结论无效。")
        lines.append("Compare the fingerprint with the card printed at init; if it differs, this verdict is void.")
    return "".join("".join(letter if letter.isprintable() else "?" for letter in line[:500]) + "\n" for line in lines)


def main(arguments: list[str]) -> int:
    """Run the command line: a pack, and optionally `--fingerprint` with its groups."""
    if len(arguments) not in {1, 3} or (len(arguments) == 3 and arguments[1] != "--fingerprint"):
        sys.stderr.write('用法 usage: python3 verify.py pack.zip [--fingerprint "XXXX XXXX ..."]\n')
        return 1
    try:
        with open(arguments[0], "rb") as file:  # noqa: PTH123 -- no more imports than needed in a file that others read
            verdict = verify_pack(file, arguments[2] if len(arguments) == 3 else None)
    except OSError as error:
        sys.stderr.write(f"读不到文件 cannot read: {error}\n")
        return 1
    sys.stdout.buffer.write(report(verdict).encode())  # whatever encoding the console claims
    sys.stdout.buffer.flush()
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
