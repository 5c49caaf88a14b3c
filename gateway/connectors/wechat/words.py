"""What WeChat's error codes mean and what to do next, in plain words.

Source: platforms.md sections 1.2 to 1.7 and the collected table of codes; codes are matched, never the words that come along.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Final

from gateway.connectors.base import PlatformRefused, Rejected

TOKEN_CODES: Final = frozenset({40001, 40014, 42001})
"""The access token is not accepted; outside the commit it is fetched anew once."""

TRANSIENT: Final = frozenset({-1, 45009, 45011, 42010})

_TOKEN: Final = (
    "微信不接受当前的访问令牌，多半是别的系统用同一个 AppSecret 换走了令牌。什么都没有公开。签发会重新取令牌；若反复出现，请系统管理员查明还有谁在用这个公众号的密钥。",
    "WeChat refuses the access token; another system may use the same secret. A new one is fetched; if it recurs, ask who else does.",
)
_SECRET: Final = (
    "AppSecret 不正确。请内容管理员在公众平台“设置与开发 → 基本配置”重置，并由两人在签发台更换凭据。",
    "The AppSecret is wrong. Reset it in the WeChat back office (Basic configuration) and have two people replace the credential.",
)
_PICTURE: Final = (
    "微信不收这张图片（格式或大小不合要求）。请作者换成 10 MB 以内的 JPG、PNG 或 GIF 后重新报审。",
    "WeChat does not take this picture (format or size). Use JPG, PNG or GIF below 10 MB and submit again.",
)
_MEDIA: Final = (
    "微信找不到这份草稿或素材：可能已经发布，也可能被人在后台删除。请先到公众号后台核对，再决定撤销或重新报审。",
    "WeChat does not find this draft or material: published already, or deleted in the back office. Look there first, then cancel or resubmit.",
)
_FROZEN: Final = (
    "该公众号的接口已被微信冻结。请登录公众平台查看通知并处理，之后再放行。",
    "WeChat has frozen this account's interface. Read its notice in the back office and settle it, then release again.",
)
_ARTICLE: Final = (
    "微信找不到这篇已发布的文章，可能已被删除。请到公众号后台核对。",
    "WeChat does not find this published article; it may have been deleted. Look in the back office.",
)

WORDS: Final[dict[int | str, tuple[str, str]]] = {
    -1: ("微信系统繁忙。什么都没有公开，稍后会再试。", "WeChat is busy. Nothing is public; it is tried again later."),
    40001: _TOKEN, 40014: _TOKEN, 42001: _TOKEN, 41001: _TOKEN,
    40002: ("取令牌的请求被微信拒绝。请联系系统管理员。", "WeChat refused the token request. Ask the system administrator."),
    40004: _PICTURE, 40005: _PICTURE, 40006: _PICTURE, 40009: _PICTURE, 40137: _PICTURE, 45001: _PICTURE, 41005: _PICTURE,
    44001: _PICTURE,
    40007: _MEDIA, 41006: _MEDIA,
    40013: (
        "AppID 不正确。请内容管理员在公众平台“基本配置”核对，并由两人在签发台更换凭据。",
        "The AppID is wrong. Check it in the WeChat back office and have two people replace the credential.",
    ),
    40125: _SECRET, 41004: _SECRET, 41002: _SECRET,
    40164: (
        "签发服务器的出口地址不在公众号的 IP 白名单里。请公众号管理员在“基本配置 → IP 白名单”加入该地址，几分钟后再试。",
        "The gateway's outward address is not on the account's IP allow-list. Ask its administrator to add it, then retry in a few minutes.",
    ),
    40033: ("请求里含有微信不收的转义字符。请联系系统管理员。", "The request held escapes WeChat refuses. Ask the system administrator."),
    40035: ("微信说某个参数不合法。请联系系统管理员。", "WeChat calls a parameter invalid. Ask the system administrator."),
    40066: ("正文里有微信不允许的链接。请作者去掉后重新报审。", "The body holds a link WeChat does not allow. Remove it and submit again."),
    40155: ("正文链接到了别的公众号主页。请作者去掉后重新报审。", "The body links to another account's home page. Remove it and submit again."),
    40097: ("微信说参数不合法。请联系系统管理员。", "WeChat calls the arguments invalid. Ask the system administrator."),
    44002: ("请求内容为空。请联系系统管理员。", "The request was empty. Ask the system administrator."),
    44003: ("图文内容为空。请作者补全正文后重新报审。", "The article is empty. Complete the body and submit again."),
    47001: ("微信读不懂请求的格式。请联系系统管理员。", "WeChat cannot read the request's format. Ask the system administrator."),
    45002: (
        "正文超过微信上限（2 万字符、1 MB）。请作者精简或拆成两篇后重新报审。",
        "The body is over WeChat's limit (20,000 characters, 1 MB). Shorten or split it and submit again.",
    ),
    45003: ("标题超过微信上限（64 字）。请作者缩短后重新报审。", "The title is over WeChat's 64 characters. Shorten it and submit again."),
    45004: ("摘要超过微信上限（120 字）。请作者缩短后重新报审。", "The summary is over WeChat's 120 characters. Shorten it and submit again."),
    45005: ("“阅读原文”地址过长（上限 1 KB）。请作者换短地址后重新报审。", "The source address is over 1 KB. Shorten it and submit again."),
    45110: ("作者名超过微信上限（16 字）。请作者缩短后重新报审。", "The author's name is over 16 characters. Shorten it and submit again."),
    45009: (
        "今天对该公众号这个接口的调用次数已用完。什么都没有公开，明天零点（北京时间）后再放行。",
        "Today's calls of this interface are used up. Nothing is public; release again after midnight, Beijing time.",
    ),
    45011: ("调用太快，微信要求稍等。一分钟后会再试。", "Too fast for WeChat. It is tried again in a minute."),
    42010: ("调用太快，微信要求稍等。请一分钟后再放行。", "Too fast for WeChat. Release again in a minute."),
    45028: ("本月的群发次数已用完。请改为“发布”或等下月。", "This month's pushes are used up. Publish without a push, or wait for next month."),
    45106: ("微信已停用这个接口。请联系系统管理员。", "WeChat has retired this interface. Ask the system administrator."),
    48001: (
        "该公众号没有发布接口的权限（2025 年 7 月起个人主体和未认证账号被收回）。请先完成认证，或改由后台人工发布并登记。",
        "This account may not publish by interface (unverified ones lost it in July 2025). Have it verified, or publish by hand.",
    ),
    48005: ("素材被自动回复或菜单引用，微信不让删除。", "The material is used by a reply or the menu, so WeChat keeps it."),
    50002: _FROZEN, 50004: _FROZEN, 50007: _FROZEN,
    53503: (
        "草稿没有通过微信的发布检查。请到公众号后台打开这份草稿看提示，改稿后重新报审。",
        "The draft failed WeChat's publishing check. Open it in the back office for the reason, change the text and submit again.",
    ),
    53504: (
        "微信要求这份草稿必须在公众号后台操作。请到后台查看原因，改稿后重新报审。",
        "WeChat wants this draft handled in its back office. Look there for the reason, change the text and submit again.",
    ),
    53505: (
        "微信要求先在公众号后台手动保存一次这份草稿。手动保存会改动已批准的内容，所以请查明原因后重新报审。",
        "WeChat wants the draft saved by hand first. That could alter what was approved, so find out why and submit again.",
    ),
    53600: _ARTICLE,
    "publish_2": (
        "原创校验没有通过，文章没有公开。请作者核对来源与原创声明后重新报审。",
        "The originality check failed; the article is not public. Check its source and submit again.",
    ),
    "publish_3": (
        "微信报告发布失败，没有给出原因，文章没有公开。请到公众号后台查看通知，再由放行人重新放行。",
        "WeChat reports a failure without a reason; the article is not public. Look for a notice in the back office, then release again.",
    ),
    "publish_4": (
        "微信平台审核没有通过，文章没有公开。请到公众号后台看审核意见，改稿后重新报审。",
        "WeChat's review refused it; the article is not public. Read the opinion in the back office, change the text and submit again.",
    ),
    "publish_5": (
        "文章发布后已被人在公众号后台删除。请查明是谁删除，再决定是否重新报审。",
        "The article was deleted in the back office after publication. Find out by whom, then decide whether to submit again.",
    ),
    "publish_6": (
        "文章发布后被微信封禁。请立即到公众号后台看通知，并报告品牌公关部。",
        "WeChat banned the article after publication. Read the notice in the back office now and tell brand & PR.",
    ),
    "unreachable": (
        "暂时连不上微信，什么都没有公开。稍后会自动重试；若一直如此，请联系系统管理员检查网络。",
        "WeChat cannot be reached; nothing is public. It is tried again later; if it stays so, have the network checked.",
    ),
    "malformed": (
        "微信的回答读不懂，什么都没有公开。稍后会自动重试；若一直如此，请联系系统管理员。",
        "WeChat's answer cannot be read; nothing is public. It is tried again later; if it stays so, ask the system administrator.",
    ),
    "no_edit": (
        "公众号文章发布后不能用接口修改。请走“撤稿后重发”：先申请撤稿，再以新稿报审（地址会变）。",
        "A published WeChat article cannot be edited by interface. Withdraw it and publish anew: two requests, and a new address.",
    ),
    "cover_missing": ("公众号图文必须有封面图。请作者补上封面后重新报审。", "A WeChat article needs a cover. Add one and submit again."),
    "title_missing": ("公众号图文必须有标题。请作者补上后重新报审。", "A WeChat article needs a title. Add one and submit again."),
    "content_missing": ("没有内容可以发布。", "There is no content to publish."),
    "previous_missing": ("没有指明要撤回的文章。", "The article to withdraw is not named."),
    "handles_missing": (
        "存证里没有准备这次发布时得到的全部编号，签发不能自动核对它是否公开。请到公众号后台查看，再由两人在签发台据实登记结果。",
        "The log lacks a number that the preparation was given, so it cannot be read back from here. Look in the back office, then have two people record what is so.",
    ),
    "draft_gone": _MEDIA,
    "already_deleted": ("这篇文章已经被删除，公众看不到它。", "This article is deleted already; the public does not see it."),
}


def words(code: int | str, said: str = "") -> tuple[str, str]:
    """Return the Chinese and English words for a code; `said` is WeChat's own text, used for nothing but the address in 40164."""
    zh, en = WORDS.get(code, (
        f"微信拒绝了请求（错误码 {code}）。请把错误码交给系统管理员核查，再决定是否重试。",
        f"WeChat refused the request (code {code}). Give the code to the system administrator, then decide whether to retry.",
    ))
    if code == 40164 and (address := _address(said)):
        zh, en = f"{zh}需加入的地址：{address}。", f"{en} The address to add: {address}."
    return zh, en


def refused(code: int | str, said: str = "") -> PlatformRefused:
    """Return the error for a refusal before anything is public."""
    zh, en = words(code, said)
    return PlatformRefused(str(code), zh, en, transient=code in TRANSIENT or code in {"unreachable", "malformed"})


def rejected(code: int | str, said: str = "") -> Rejected:
    """Return the outcome for a definite refusal of the commit or of the platform's review."""
    zh, en = words(code, said)
    return Rejected(code=str(code), zh=zh, en=en)


def _address(said: str) -> str:
    found = re.search(r"invalid ip ([0-9a-fA-F.:]{2,45})", said)
    try:
        return str(ipaddress.ip_address(found[1])) if found else ""
    except ValueError:
        return ""
