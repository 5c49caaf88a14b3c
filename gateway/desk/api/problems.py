"""Problems of the API (RFC 9457): the same four answers as on the pages, with field names in the reader's language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import ValidationError

from gateway.desk.parts import LANG

KIND: Final = "application/problem+json"
TITLES: Final = {
    "invalid": ("请求内容不完整或格式不对", "The request is incomplete or malformed", "请按提示修改后重试", "Correct it as shown and try again"),
    "session_gone": ("会话已结束", "The session has ended", "请重新配对；稿件都在", "Pair again; your drafts are kept"),
    "not_found": ("找不到这一项", "It cannot be found", "请从列表重新进入", "Open it again from the list"),
    "method": ("这个地址不接受这种请求", "This address does not take this method", "请看接口文档", "See the API document"),
    "media_type": ("只接受 JSON", "Only JSON is taken here", "请以 application/json 发送", "Send application/json"),
    "too_large": ("内容太大", "Too large", "请缩小后再试", "Make it smaller and try again"),
    "stale": ("稿件已在别处改过", "The draft was changed elsewhere", "请取回最新一份再改", "Get the newest one first"),
    "not_editable": ("稿件已在审，不能再改", "It is in review and cannot be changed", "要改请先撤回", "Recall it first"),
    "command_reused": ("同一个请求编号带了不同内容", "One command id came with two bodies", "请换一个请求编号", "Use another command id"),
    "not_ready": ("还不能报审", "It cannot be submitted yet", "请按检查结果逐项修改", "Mend each finding"),
    "nudged": ("两小时内已经催办过", "It was nudged within the last two hours", "请等提示的时间过后再催，或直接打电话",
               "Wait until the time shown, or call them"),
    "not_waiting": ("这一件现在不等任何人办理", "It waits for nobody now", "请看流程栏里的当前步骤", "Look at the current step in the route"),
    "nobody": ("这一步现在没有人能办，催不到人", "Nobody could do this step now, so there is nobody to nudge",
               "请先任命相应负责人；您自己能办的，请到签发台办理", "Appoint the office first; what you can do yourself, do at the counter"),
    "no_way": ("没有可用的通知方式，催办发不出去", "There is no way to send a notice", "请直接联系下面的人，并请系统管理员配置邮件或群机器人",
               "Call the people below, and have mail or a group robot set up"),
    "unavailable": ("签发服务暂时不可用", "The signing service is unavailable", "稍后用同一请求重试即可，不会重复",
                    "Repeat the same request later; it will not be done twice"),
    "internal": ("出了点问题，没有任何改动", "Something went wrong; nothing was changed", "请重试", "Try again"),
    "misdirected": ("主机名不对", "Wrong host", "请使用工作台的地址", "Use the desk's address"),
    "origin": ("这个来源没有配对", "This origin has not paired", "请先在插件中配对", "Pair the extension first"),
    "bad_content": ("内容无法整理成规范格式", "The content cannot be brought into normal form", "请按提示修改", "Mend what is shown"),
}
FIELDS: Final = {
    "title": "标题", "summary": "摘要", "author": "作者", "source": "来源", "kind": "来源类型", "name": "来源名称", "url": "链接", "cover": "封面",
    "targets": "渠道", "channel": "渠道", "operation": "方式", "previous": "线上那一篇", "facts": "申报", "category": "类别",
    "sensitive": "重要敏感", "executives": "出现董监高", "external_quote": "引用外部单位人员", "ai_generated": "AI 生成",
    "reprinted_pictures": "转载图片", "scheduled": "定时", "message": "给审批人的话", "html": "正文", "version": "版本", "command": "请求编号",
    "draft": "稿件", "code": "配对码", "device_name": "设备名称", "body": "请求",
}
_BY_STATUS: Final = {
    400: "invalid", 401: "session_gone", 403: "origin", 404: "not_found", 405: "method", 413: "too_large", 415: "media_type", 421: "misdirected",
    503: "unavailable",
}


class ApiRefused(Exception):
    """The API says no with one of the codes above."""

    def __init__(self, status: int, code: str, **more: Any) -> None:
        super().__init__(code)
        self.status, self.code, self.more = status, code, more


def problem_body(lang: str, status: int, code: str, **more: Any) -> dict[str, Any]:
    """Return a problem's body."""
    zh, en, zh_next, en_next = TITLES[code]
    english = lang == "en"
    return {
        "type": f"urn:qianfa:{code}", "title": en if english else zh, "status": status, "detail": "", "code": code, "rule": "R0", "article": "",
        "next": en_next if english else zh_next, "ask": [], "missing": [], "lang": "en" if english else "zh", **more,
    }


def respond(request: web.Request, body: Mapping[str, Any], status: int) -> web.Response:
    """Return a problem as a response in the reader's language."""
    return web.Response(
        status=status, text=json.dumps(body, ensure_ascii=False), content_type=KIND, headers={"Content-Language": request[LANG]},
    )


def api_problem(request: web.Request, status: int, code: str = "", **more: Any) -> web.Response:
    """Return a problem response for a status."""
    return respond(request, problem_body(request[LANG], status, code or _BY_STATUS.get(status, "internal"), **more), status)


def invalid_fields(error: ValidationError, lang: str) -> list[dict[str, str]]:
    """Return what is wrong with which field; the field's name in the reader's language, the path as it is."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:50]:
        path = [str(part) for part in item["loc"]]
        name = next((part for part in reversed(path) if part in FIELDS), "body")
        found.append({"path": "/".join(path), "name": name if lang == "en" else FIELDS[name], "reason": item["type"]})
    return found
