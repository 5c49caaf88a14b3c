"""The page docs/routes.md, written from the table: `python -m gateway.machine.policy.routes_page > docs/routes.md` (pure)."""

from __future__ import annotations

import sys

from gateway.machine.policy import OPERATIONS, RULES, Rule, digest
from gateway.protocol.denials import article

_OFFICES = {
    "unit_head": ("负责人", "unit head"), "leader": ("公司主管领导", "company leader"), "brand_pr": ("品牌公关部", "brand & PR"),
    "brand_pr_head": ("品牌公关部负责人", "brand & PR head"), "operator": ("运营人员", "channel operator"),
}
_SCOPES = {
    "group": ("集团", "the group"), "author": ("拟稿人所属单位", "the author's unit"), "owner": ("渠道所属单位", "the channel's unit"),
    "channel": ("该渠道", "the channel"),
}
_WHEN = {
    "level:company": ("有一个公司平台", "any company channel"), "level:own": ("全部是单位自有平台", "only own channels"),
    "fact:sensitive": ("重要敏感信息", "sensitive"), "fact:category_other": ("其他信息（第十二条第四项）", "category: other"),
    "fact:executives": ("涉及董事、监事及管理层", "directors, supervisors, executives"),
}
_KINDS = {"approve": ("同意", "approve"), "release": ("放行", "release")}

_HEAD = """# Routes: who approves and who releases (审批与放行路线)

Written from `gateway/machine/policy`; a test holds this page to the table. Table digest: `{digest}`.

| Rule | When 适用 | Steps 步骤 | Basis 依据 |
|---|---|---|---|
"""
_TAIL = """
How rows combine 合并规则:

1. Every row that applies adds its steps; nothing takes a step away. One company channel makes the whole submission company-level.
   每条适用的规定都增加步骤，不减少步骤；只要有一个公司平台，整件按公司平台办理。
2. Approvals come first, unit head before leader; then the release. Where any row has brand & PR release, nobody else releases.
   先审批（单位负责人先于公司领导），后放行；任何一条要求品牌公关部放行的，只由品牌公关部放行。
3. The author never approves, and approvers differ. Where brand & PR releases, the releaser is neither the author nor an approver; on a
   unit's own channel the author-operator may release what the head approved, and the head may do both at once (同意并放行).
   拟稿人不审批；各审批人不得相同。品牌公关部放行时，放行人不得是拟稿人或审批人；自有平台经负责人同意后，拟稿的运营人员可以放行，负责人也可以同意并放行。
4. A fact that nobody declared counts as set; an unknown category counts as other; an unknown channel level or operation has no route.
   未申报的事项按“有”处理，不明类别按“其他”处理；不明平台级别或操作没有路线，即不能发布。
5. Offices are asked when someone signs. A quoted outside person needs their written confirmation first (R17.2). Operations: {operations}.
   职务以签发时为准。引用外部单位人员言论的，须先取得对方书面确认。
6. A changed table re-routes what is under way, at each start, at the release and before the send: what it asks for in addition is asked for,
   what was asked for stays asked for, approvals that count stand, and tokens that were not yet used are void.
   路线有变的，启动时、放行时、发送前都按现行路线核对在途稿件：多出的步骤补办，原有的步骤不免，有效的同意保留，尚未使用的签发令作废。
"""


def page() -> str:
    """Return the page's text."""
    rows = "".join(_row(rule) for rule in RULES)
    return _HEAD.format(digest=digest()) + rows + _TAIL.format(operations=", ".join(sorted(OPERATIONS)))


def _row(rule: Rule) -> str:
    when = " ".join(_WHEN[rule.when])
    steps = "; ".join(
        " ".join(_KINDS[kind]) + ": " + " / ".join(
            f"{_SCOPES[scope][0]}{_OFFICES[office][0]} ({_OFFICES[office][1]} of {_SCOPES[scope][1]})" for office, scope in offices)
        for kind, offices in rule.stages
    )
    return f"| {rule.id} | {when} | {steps} | {article(rule.id, 'zh')} · {article(rule.id, 'en')} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
