"""Reading helpers over the durable state for pages and answers: names, offices and entries in words. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from gateway.enforcer.values import Values
from gateway.machine.state import State, Submission
from gateway.protocol import offices
from gateway.protocol.entries import Entry, EntryType
from gateway.protocol.instants import Instant

ENTRY_WORDS: Final[dict[str, tuple[str, str]]] = {
    EntryType.DEPLOYMENT_OPENED: ("系统启用", "Deployment opened"),
    EntryType.INCARNATION_OPENED: ("从备份恢复，开启新纪元", "Restored; a new incarnation began"),
    EntryType.ENFORCER_STARTED: ("签发服务启动", "Enforcer started"),
    EntryType.KEY_ROTATED: ("存证签名密钥轮换", "Log key rotated"),
    EntryType.VAULT_CHANGED: ("密钥库变更", "Vault changed"),
    EntryType.POLICY_SET: ("制度开关变更", "Policy switch set"),
    EntryType.UNIT_ADDED: ("设立或变更单位", "Unit added or changed"),
    EntryType.PERSON_ADDED: ("登记人员", "Person added or changed"),
    EntryType.PERSON_SUSPENDED: ("停权", "Person suspended"),
    EntryType.PERSON_RESTORED: ("恢复权限", "Person restored"),
    EntryType.APPOINTMENT_MADE: ("任职", "Appointment made"),
    EntryType.APPOINTMENT_ENDED: ("任职结束", "Appointment ended"),
    EntryType.ENROLMENT_OPENED: ("发放首次授权码", "One-time code issued"),
    EntryType.FACTOR_ENROLLED: ("启用验证方式", "Factor enrolled"),
    EntryType.FACTOR_REVOKED: ("停用验证方式", "Factor revoked"),
    EntryType.RECOVERY_USED: ("使用恢复码", "Recovery code used"),
    EntryType.CHANNEL_ADDED: ("渠道备案", "Channel filed"),
    EntryType.CHANNEL_CHANGED: ("渠道备案变更", "Channel changed"),
    EntryType.CREDENTIAL_STORED: ("录入凭据新版本", "Credential version stored"),
    EntryType.CREDENTIAL_RETIRED: ("停用凭据", "Credential retired"),
    EntryType.PROPOSAL_MADE: ("提交变更单", "Change proposed"),
    EntryType.PROPOSAL_CONFIRMED: ("确认变更单", "Change confirmed"),
    EntryType.PROPOSAL_DECLINED: ("作废变更单", "Change declined"),
    EntryType.SUBMISSION_MADE: ("报审", "Submitted"),
    EntryType.SUBMISSION_RETURNED: ("退回", "Returned"),
    EntryType.SUBMISSION_RECALLED: ("撤回", "Recalled"),
    EntryType.SUBMISSION_CANCELLED: ("取消", "Cancelled"),
    EntryType.SUBMISSION_EXPIRED: ("已过期", "Expired"),
    EntryType.SUBMISSION_RENEWED: ("续期", "Renewed"),
    EntryType.SUBMISSION_HANDED: ("转交", "Handed over"),
    EntryType.SUBMISSION_REROUTED: ("流程按现行制度补步骤", "Re-routed by the table in force"),
    EntryType.SIGNING_MADE: ("签发验证", "Signed a list"),
    EntryType.DECISION_MADE: ("签发", "Decided"),
    EntryType.DECISION_TAKEN_BACK: ("撤回签发", "Decision taken back"),
    EntryType.TOKEN_MINTED: ("生成签发令", "Approval token minted"),
    EntryType.PUBLICATION_STOPPED: ("停发", "Stopped"),
    EntryType.PUBLICATION_INTENDED: ("开始发送，签发令已使用", "Token spent"),
    EntryType.PUBLICATION_HANDLE: ("平台上传", "Uploaded to the platform"),
    EntryType.PUBLICATION_PREPARED: ("平台草稿已回读一致", "Draft read back equal"),
    EntryType.PUBLICATION_DISPATCHED: ("发出", "Dispatched"),
    EntryType.PUBLICATION_LIVE: ("已发布", "Live"),
    EntryType.PUBLICATION_GONE: ("已撤下", "Withdrawn"),
    EntryType.PUBLICATION_PENDING: ("平台处理中", "Pending at the platform"),
    EntryType.PUBLICATION_REJECTED: ("平台拒绝", "Rejected by the platform"),
    EntryType.PUBLICATION_UNKNOWN: ("待核实", "Unknown, being read back"),
    EntryType.PUBLICATION_ABSENT: ("已核实未发出", "Settled: not published"),
    EntryType.PUBLICATION_ABANDONED: ("未发送，已放弃", "Abandoned"),
    EntryType.PUBLICATION_MISSED: ("错过定时", "Missed its time"),
    EntryType.PUBLICATION_DRIFTED: ("异动：线上与签发不一致", "Drift: the live page differs"),
    EntryType.FREEZE_SET: ("冻结", "Frozen"),
    EntryType.FREEZE_LIFTED: ("解冻", "Thawed"),
    EntryType.BLACKOUT_SET: ("设静默期", "Blackout set"),
    EntryType.BLACKOUT_LIFTED: ("解除静默期", "Blackout lifted"),
    EntryType.REFUSED: ("被拦截", "Refused"),
    EntryType.VALUES_ERASED: ("个人信息删除", "Personal values erased"),
    EntryType.COUNTERS_TAKEN: ("尝试次数统计", "Counts of tries"),
}


class Views:
    """Names and words for one face."""

    def __init__(self, state: State, values: Values) -> None:
        self.state = state
        self._values = values
        self._entry: Callable[[int], Entry | None] = lambda _seq: None

    def read_entries(self, entry: Callable[[int], Entry | None]) -> None:
        """Say how one durable entry is read."""
        self._entry = entry

    def name(self, person: str) -> str:
        """Return a person's name, or the id where it was erased or never known."""
        known = self.state.people.get(person)
        return (self._values.text(known.name) if known else None) or person

    def detail(self, person: str, key: str) -> str:
        """Return one of a person's details (`title`, `extension`, `mail`), or an empty string."""
        known = self.state.people.get(person)
        commitment = known.details.get(key) if known else None
        return (self._values.text(commitment) if commitment else None) or ""

    def unit(self, unit: str) -> str:
        """Return a unit's name."""
        known = self.state.units.get(unit)
        return known.name if known else unit

    def scope(self, scope: str) -> str:
        """Return the name of a unit or channel that an office is held for."""
        channel = self.state.channels.get(scope)
        return channel.name if channel else self.unit(scope)

    def contact(self, person: str, _lang: str) -> dict[str, str]:
        """Return whom to ask: name, title and extension."""
        return {"person": person, "name": self.name(person), "office": self.detail(person, "title"), "extension": self.detail(person, "extension")}

    def office_words(self, office: str, lang: str) -> str:
        """Return an office in words."""
        return offices.office_words(office, lang)

    def stage_words(self, stage: str, lang: str) -> str:
        """Return a stage id such as `approve:unit_head:unit_x` in words."""
        kind, _, rest = stage.partition(":")
        office, _, scope = rest.partition(":")
        where = self.scope(scope) if scope and scope != self.state.group else ""
        return offices.stage_words(kind, office, where, lang)

    def stage_people(self, submission: Submission, at: Instant) -> dict[str, list[str]]:
        """Return for each stage of a submission the people who could sign it now."""
        found: dict[str, list[str]] = {}
        for stage in submission.stages:
            people = [p for office, scope in stage.offices for p in self.state.holders(office, scope, at)]
            bar_author = stage.kind == "approve" or stage.apart
            found[stage.id] = [p for p in dict.fromkeys(people) if not (bar_author and p == submission.author)]
        return found

    def entry_words(self, seq: int, lang: str) -> str:
        """Return one entry as "who, when, what", for 「谁在您之后改了什么」."""
        entry = self._entry(seq)
        if entry is None:
            return ""
        what = ENTRY_WORDS.get(entry.type, (entry.type, entry.type))[lang == "en"]
        return f"{self.name(entry.actor)} {entry.at[:16].replace('T', ' ')} {what}"

    def directory(self) -> dict[str, Any]:
        """Return people, units, channels and appointments with the names that pages need; never a secret."""
        state = self.state
        return {
            "people": [
                {"id": p.id, "name": self.name(p.id), "unit": p.unit, "suspended": p.suspended, "title": self.detail(p.id, "title"),
                 "extension": self.detail(p.id, "extension"), "mail": self.detail(p.id, "mail")}
                for p in state.people.values()
            ],
            "units": [{"id": u.id, "name": u.name, "parent": u.parent, "kind": u.kind} for u in state.units.values()],
            "channels": [
                {"id": c.id, "platform": c.platform, "account": c.account, "name": c.name, "unit": c.unit, "level": c.level, "filing": c.filing,
                 "filing_number": c.filing_number, "settings": dict(c.settings), "custodians": list(c.custodians),
                 "credential_version": c.credential.version if c.credential else None, "sent": dict(c.sent)}
                for c in state.channels.values()
            ],
            "appointments": [
                {"id": a.id, "person": a.person, "office": a.office, "scope": a.scope, "start": a.start, "end": a.end}
                for a in state.appointments.values()
            ],
        }
