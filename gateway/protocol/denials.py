"""Denials: every way the machine says no, with the rule, the words and the next step (pure).

A denial says four things: what happened, on what basis (rule and article), what to do next, whom to ask. The words stand
here once, for page, API and log alike. `logged` denials become an `attempt.refused` entry; the rest (stale, malformed, throttled,
not found) are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Words:
    """One code's words. `rule` is like `R17.1`; `zh`/`en` say what happened, `zh_next`/`en_next` what to do."""

    status: int
    rule: str
    logged: bool
    zh: str
    en: str
    zh_next: str
    en_next: str


def _w(status: int, rule: str, zh: str, en: str, zh_next: str, en_next: str, *, logged: bool = False) -> Words:
    return Words(status, rule, logged, zh, en, zh_next, en_next)


CATALOGUE: Final[dict[str, Words]] = {
    # ---- not logged: malformed, stale, unknown, throttled
    "invalid": _w(400, "R0", "请求内容不完整或格式不对", "The request is incomplete or malformed",
                  "请刷新页面后重试", "Reload the page and try again"),
    "not_found": _w(404, "R0", "找不到这一项", "It cannot be found", "请从列表重新进入", "Open it again from the list"),
    "stale_view": _w(409, "R0", "您看到的内容之后有变动", "It has changed since you looked", "请看过改动后再操作",
                     "Look at what changed, then act"),
    "command_reused": _w(409, "R0", "同一个请求编号带了不同内容", "One command id came with two bodies",
                         "请刷新页面后重新提交", "Reload the page and submit again"),
    "wrong_state": _w(409, "R17.1", "当前状态不能这样操作", "This cannot be done in the current state",
                      "请看流程栏里的当前步骤", "Look at the current step in the route"),
    "log_unavailable": _w(503, "R22", "存证暂时写不进去，因此没有执行", "The log cannot be written, so nothing was done",
                          "稍后用同一请求重试即可，不会重复", "Repeat the same request later; it will not be done twice"),
    "vault_sealed": _w(503, "R20", "密钥库已锁，暂时不能签发和发送", "The vault is sealed; nothing can be signed or sent",
                       "请联系系统管理员开锁；稿件可以照常编辑", "Ask the system administrator to unseal; drafting goes on"),
    "clock_behind": _w(503, "R22", "服务器时钟比存证里的时间还早，已停止发送", "The clock is behind the log; sending has stopped",
                       "请系统管理员校准时钟后重启", "The system administrator must set the clock and restart"),
    "throttled": _w(429, "R20", "尝试太多，请稍候", "Too many tries", "请等提示的时间过后再试", "Wait for the time shown, then try again"),
    # ---- proof and session
    "grade_too_low": _w(403, "R17.1", "这一步只能在签发台完成", "This can only be done at the counter",
                        "请到签发台操作", "Go to the counter", logged=True),
    "proof_missing": _w(403, "R20", "这一步需要签发验证", "This step needs a fresh proof", "请用通行密钥或动态码验证",
                        "Confirm with your passkey or code"),
    "proof_mismatch": _w(403, "R17.1", "验证时确认的内容与提交的不一致，未生效", "The proof covers something else; nothing was done",
                         "请重新打开这一件，核对指纹后再签", "Open the item again, compare the fingerprint, sign again", logged=True),
    "code_reused": _w(403, "R20", "这次验证（动态码或通行密钥）已用过", "This code or passkey proof has been used", "请等下一个动态码，或重新验证",
                      "Wait for the next code, or prove again"),
    "factor_unknown": _w(403, "R20", "这个验证方式不属于您或已停用", "This factor is not yours or is revoked",
                         "请到“我的设备”查看", "See My devices"),
    "factor_needed": _w(403, "R20", "新增验证方式前，要先用已有的方式验证", "Prove with an existing factor before adding one",
                        "请先验证；手机丢失请由两位管理人重置", "Prove first; for a lost phone two people reset it"),
    "method_too_weak": _w(403, "R20", "正式环境的放行必须使用通行密钥", "In a live deployment a release needs a passkey",
                          "请在系统浏览器中用通行密钥签发", "Sign with your passkey in the system browser", logged=True),
    "route_by_codes_alone": _w(403, "R20", "一件稿件不能全程只用动态码签发", "A route cannot be completed by codes alone",
                               "请至少一步使用通行密钥", "At least one step must use a passkey", logged=True),
    "enrolment_invalid": _w(403, "R20", "首次授权码不对、已用过或已过期", "The one-time code is wrong, used or expired",
                            "请向系统管理员要新的授权码", "Ask the system administrator for a new code"),
    # ---- people and offices
    "person_suspended": _w(403, "R20", "该人员已停权", "This person is suspended", "请联系品牌公关部", "Ask brand & PR", logged=True),
    "no_office": _w(403, "R17.1", "您现在没有办理这一步的职务", "You hold no office that may do this now",
                    "请由流程中列出的人办理", "One of the people named in the route must act", logged=True),
    "not_reader": _w(403, "R0", "这份证据包只给参与过这件事的人、其单位、渠道的运营和保管人，以及公司领导、品牌公关部和审计",
                     "This pack is for those who had a part in it, their unit, the channel's operators and custodians, leaders, brand & PR and audit",
                     "需要时请审计员导出", "Ask an auditor to export it"),
    "not_holder": _w(403, "R17.1", "只能转交给同样可以办这一步的其他人", "It can only be handed to somebody else who may do this step",
                     "请从列出的人里选", "Choose one of the people listed"),
    "author_approves": _w(403, "R17.1", "拟稿人不能审批自己的稿件", "An author never approves their own text",
                          "请由流程中列出的其他人办理", "Another person named in the route must act", logged=True),
    "same_person_twice": _w(403, "R17.1", "审批与放行须由不同的人办理", "Approval and release take different people",
                            "请由另一位有放行职务的人办理", "Another holder of the releasing office must act", logged=True),
    "two_people_needed": _w(403, "R5", "这项变更须由两位不同的人办理", "This change takes two different people",
                            "请另一位管理人在签发台确认", "Another person must confirm at the counter", logged=True),
    "not_governor": _w(403, "R5", "您没有办理人员、制度或凭据变更的职务", "You hold no office for changes of people, policy or credentials",
                       "请联系首任管理人、品牌公关部部长或系统管理员", "Ask a founder, the brand & PR head or the administrator", logged=True),
    "proposal_gone": _w(409, "R5", "这张变更单已办结、作废或过期", "This proposal is done, dropped or expired",
                        "需要时请重新提交变更单", "Propose again if it is still needed"),
    "change_invalid": _w(409, "R5", "变更单里有一项现在不成立", "One of the proposed changes does not hold now",
                         "请按提示修改后重新提交", "Correct it as shown and propose again"),
    # ---- channels
    "channel_unknown": _w(404, "R7", "没有这个渠道", "There is no such channel", "请先办理渠道备案", "File the channel first", logged=True),
    "channel_unfiled": _w(403, "R7", "渠道未备案或备案不在有效状态", "The channel's filing is not in force",
                          "请先完成备案或变更备案", "Complete the filing or its change first", logged=True),
    "channel_other_unit": _w(403, "R10", "这个渠道不归您的单位使用", "This channel belongs to another unit",
                             "请换用本单位渠道，或由该单位供稿", "Use your unit's channel, or let that unit submit", logged=True),
    "credential_missing": _w(409, "R20", "渠道还没有可用的凭据", "The channel has no credential in force",
                             "请保管人到签发台录入凭据", "A custodian must enter it at the counter", logged=True),
    "credential_changed": _w(409, "R20", "签发之后渠道凭据换了版本", "The credential changed after release",
                             "请重新放行", "Release it again", logged=True),
    # ---- route
    "no_rule": _w(403, "R17.1", "没有任何规定允许这样发布", "No rule permits this", "请联系品牌公关部", "Ask brand & PR", logged=True),
    "stage_vacant": _w(409, "R17.1", "流程里有一步现在没有人能办", "A step of the route has nobody who could do it",
                       "请先任命相应负责人", "Appoint the office first", logged=True),
    "not_next_stage": _w(409, "R17.1", "还没有轮到这一步", "It is not this step's turn", "请等前一步办完", "Wait for the step before"),
    "blocking_findings": _w(409, "R15", "检查有阻断项，不能报审", "Blocking findings stand against it",
                            "请按检查结果逐项修改", "Mend each finding", logged=True),
    "findings_unconfirmed": _w(409, "R15", "还有需确认的检查结果没有逐项核对", "Findings that need confirming have not been ticked",
                               "请在核对清单里逐项确认后再签", "Tick each of them on the checklist, then sign", logged=True),
    "external_confirmation": _w(409, "R17.2", "引用外部单位人员言论，须先取得对方确认", "Quoting an outside person needs their confirmation",
                                "请先取得书面确认，再联系品牌公关部", "Get it in writing, then ask brand & PR", logged=True),
    "route_incomplete": _w(403, "R17.1", "审批没有走完，不能发送", "The approvals are not complete", "请看缺少的步骤",
                           "See which step is missing", logged=True),
    "rerouted": _w(409, "R17.1", "流程按现行制度补了步骤，先前的签发令作废", "The table in force asks for more steps; earlier tokens are void",
                   "请先办理补上的步骤，已同意的不必重签；之后重新放行", "Let the added steps be signed, what was approved stands; then release again",
                   logged=True),
    "window_over": _w(409, "R17.1", "签发时间窗已过", "The window has ended", "拟稿人可一键续期，内容不变", "The author can renew it unchanged",
                      logged=True),
    "previous_changed": _w(409, "R19", "线上内容与签发时认定的不一致", "What is live is not what the approval names",
                           "请重新报审更正或撤稿", "Submit the edit or withdrawal again", logged=True),
    "channel_done": _w(409, "R19", "这份报审在这个渠道已经办完", "This submission is done on this channel",
                       "请不选这个渠道；要改已发布的内容，请另报更正或撤稿",
                       "Leave this channel out; to alter what is out, submit an edit or a withdrawal", logged=True),
    "published_needs_approval": _w(403, "R19", "已公开的内容未经授权不得更改", "What is public is not altered without approval",
                                   "请提交更正或撤稿审批", "Submit an edit or a withdrawal", logged=True),
    "not_your_submission": _w(403, "R17.1", "只有拟稿人能这样操作", "Only its author may do this", "请联系拟稿人", "Ask the author"),
    "list_too_long": _w(400, "R17.1", "一次最多并签 20 件", "A list holds at most 20 items", "请分批签发", "Sign in batches"),
    "list_not_allowed": _w(409, "R14", "敏感、撤稿和应急事项须逐件签发", "Sensitive items and withdrawals are signed one by one",
                           "请单独签发这一件", "Sign it by itself", logged=True),
    # ---- gate
    "token_invalid": _w(403, "R22", "签发令无效", "The approval token is invalid", "请重新放行", "Release it again", logged=True),
    "token_expired": _w(403, "R22", "签发令已过期", "The approval token has expired", "请重新放行", "Release it again", logged=True),
    "token_spent": _w(409, "R22", "签发令已经用过", "The approval token has been used", "请查看已有的发布记录", "See the publication it made",
                      logged=True),
    "scope_mismatch": _w(403, "R22", "要发送的内容、渠道或操作与签发的不一致", "Content, channel or operation is not what was approved",
                         "请按签发的内容发送，或重新报审", "Send what was approved, or submit again", logged=True),
    "connector_changed": _w(409, "R22", "签发之后发送程序换了版本，这份成品不再能按签发时的样子发出", "The connector was replaced and no longer sends this form as it was approved",
                            "请拟稿人改一版重新报审", "The author hands in a new revision", logged=True),
    "frozen": _w(403, "R8", "已被冻结，暂停发送", "It is frozen", "解冻须由另外两人在签发台办理", "Two other people can thaw it at the counter",
                 logged=True),
    "blackout": _w(409, "R8", "现在是静默期，不发布、不更正", "A blackout is in force: nothing is published or edited",
                   "静默期结束后自动发送；定时须在结束之后；撤稿不受影响", "It goes out when the blackout ends; fix a time after it; withdrawals pass",
                   logged=True),
    "quota_exhausted": _w(409, "R17.1", "今天这个渠道的发送次数已用完", "Today's quota of this channel is used up",
                          "明天再发，或换渠道", "Send tomorrow or elsewhere", logged=True),
    "stopped": _w(409, "R8", "已被停发", "It was stopped", "需要时请重新放行", "Release it again if it should go out"),
    "already_sending": _w(409, "R8", "已在发送，停不住了", "It is already being sent", "可以马上提交撤稿", "Submit a withdrawal now"),
    "schedule_missed": _w(409, "R17.1", "错过了定时，没有发送", "The fixed time was missed; nothing was sent",
                          "请放行人决定：重新放行或取消", "The releasing office decides: release again, or give it up", logged=True),
    "hold_running": _w(409, "R17.1", "放行后的等候时间还没到", "The hold after release is still running", "到时自动发送", "It goes out by itself"),
    "not_brand_head": _w(403, "R19", "应急撤稿须由品牌公关部负责人办理", "An emergency withdrawal takes the brand & PR head",
                         "请联系品牌公关部负责人", "Ask the brand & PR head", logged=True),
}


class Denied(Exception):
    """The machine says no. `code` is a key of `CATALOGUE`; `missing` and `ask` name steps and people; `detail` says which part.

    For `stale_view` of an object `more["seq"]` is the entry the person had not seen; who made it stands there.
    """

    def __init__(self, code: str, *, detail: str = "", missing: tuple[str, ...] = (), ask: tuple[str, ...] = (),
                 rule: str = "", **more: Any) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail
        self.missing = missing
        self.ask = ask
        self.rule = rule or CATALOGUE[code].rule
        self.more = more

    @property
    def words(self) -> Words:
        """The catalogue's words for this code."""
        return CATALOGUE[self.code]


def article(rule: str, language: str) -> str:
    """Return the regulation's article behind a rule id in words, such as 《办法》第十七条第（一）项; empty for house rules (`R0`)."""
    number, _, part = rule.removeprefix("R").partition(".")
    if number == "0" or not number.isdigit():
        return ""
    if language == "zh":
        item = f"第（{_han(int(part[0]))}）项" if part[:1].isdigit() else ""
        return f"《公司新媒体运营管理办法》第{_han(int(number))}条{item}"
    return f"Regulation, article {number}" + (f"({part[0]})" if part[:1].isdigit() else "")


def _han(number: int) -> str:
    digits = "零一二三四五六七八九"
    tens, ones = divmod(number, 10)
    return ("" if tens == 0 else ("十" if tens == 1 else digits[tens] + "十")) + (digits[ones] if ones or not tens else "")
