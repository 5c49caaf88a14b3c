"""What Weibo's error codes mean and what to do next, in plain words. Source: the collected table of codes and platforms.md 2."""

from __future__ import annotations

from typing import Final

from gateway.connectors.base import PlatformRefused, Rejected

TRANSIENT: Final = frozenset({10001, 10002, 10003, 10009, 10010, 10011, 10022, 10023, 10024, 20014, 21331})

UNCLEAR: Final = frozenset({10001, 10002, 10003, 10009, 10010, 10011, 20032})
"""Codes after which the post may be public: system faults, and 20032, which means success with a delay."""

GONE: Final = 20101

_TOKEN: Final = (
    "微博授权已失效。请该账号的运营人员重新授权，并由两人在签发台更换凭据，之后再放行。",
    "Weibo's authorisation has ended. Have the account authorise again and two people replace the credential, then release again.",
)
_APP: Final = (
    "微博应用没有此项接口权限。请内容管理员在微博开放平台申请后再放行。",
    "The Weibo app has no right to this interface. Apply for it on Weibo's open platform, then release again.",
)
_QUOTA: Final = (
    "调用次数已达微博上限（每日 100 次、每小时 30 条）。什么都没有公开，请过一小时或次日再放行。",
    "Weibo's limits are reached (100 calls a day, 30 posts an hour). Nothing is public; release again in an hour or tomorrow.",
)
_BUSY: Final = ("微博系统繁忙，请稍后再试。", "Weibo is busy; try again later.")
_REPEAT: Final = (
    "微博说与最近发布的一条重复，没有收下。请先在主页核对是否已经发过；确需再发，请改文字后重新报审。",
    "Weibo calls this a repetition of a recent post and did not take it. Check the profile first; change the text and submit again.",
)
_ILLEGAL: Final = (
    "微博判定文字含不允许的内容，没有收下。请作者修改后重新报审。",
    "Weibo finds something it does not allow in the text and did not take it. Change the text and submit again.",
)
_PICTURE: Final = (
    "微博不收这张图片（须为 JPG、PNG、GIF，小于 5 MB）。请换图后重新报审。",
    "Weibo does not take this picture (JPG, PNG or GIF below 5 MB). Replace it and submit again.",
)
_LONG: Final = ("文字超过 140 字。请删减后重新报审。", "The text is over 140 characters. Shorten it and submit again.")
_BLOCKED: Final = (
    "微博限制了该账号、IP 或应用。请登录微博查看通知并处理，之后再放行。",
    "Weibo restricts this account, address or app. Read its notice there and settle it, then release again.",
)

WORDS: Final[dict[int | str, tuple[str, str]]] = {
    **dict.fromkeys((21301, 21314, 21315, 21316, 21317, 21319, 21327, 21332, 10013), _TOKEN),
    **dict.fromkeys((10005, 10014, 10032, 21321, 21337, 10006), _APP),
    **dict.fromkeys((10022, 10023, 10024, 20016), _QUOTA),
    **dict.fromkeys((10001, 10002, 10003, 10009, 10010, 10011, 20014, 21331), _BUSY),
    **dict.fromkeys((20017, 20019, 20111), _REPEAT),
    **dict.fromkeys((20018, 20020, 20021, 21602, 20104), _ILLEGAL),
    **dict.fromkeys((20005, 20006, 20007), _PICTURE),
    **dict.fromkeys((20012, 20013), _LONG),
    **dict.fromkeys((10004, 20015, 20022, 20031), _BLOCKED),
    10007: _PICTURE, 10018: _PICTURE,
    10008: ("微博说参数不合法。请联系系统管理员。", "Weibo calls a parameter invalid. Ask the system administrator."),
    10012: ("微博说请求不合法。请联系系统管理员。", "Weibo calls the request illegal. Ask the system administrator."),
    10016: ("缺少微博要求的参数。请联系系统管理员。", "A parameter that Weibo requires is missing. Ask the system administrator."),
    10017: (
        "微博说文字不合要求：多半没有安全域名的链接，或带了话题。请修改后重新报审。",
        "Weibo refuses the text: no link on a safe domain, or a topic in it, most likely. Change it and submit again.",
    ),
    10020: ("微博已没有这个接口。请联系系统管理员。", "Weibo has no such interface any more. Ask the system administrator."),
    10021: ("微博不接受这种请求方式。请联系系统管理员。", "Weibo does not accept this method. Ask the system administrator."),
    20003: ("微博账号不存在。请核对渠道设置。", "The Weibo user does not exist. Check the channel's settings."),
    20008: ("微博文字为空。请补上后重新报审。", "The post is empty. Write it and submit again."),
    20101: ("这条微博已不存在，可能已被删除。请到主页核对。", "This post does not exist any more. Look at the profile."),
    20102: ("这条微博不属于该账号，不能删除。请核对渠道。", "This post is not this account's, so it cannot be deleted. Check the channel."),
    20109: ("没有指明要删除的微博。", "The post to delete is not named."),
    21335: ("授权的微博账号与渠道不是同一个。请核对凭据。", "The authorised user is not this channel's. Check the credential."),
    "wrong_account": (
        "凭据属于另一个微博账号，没有发送。请两人在签发台更换成本渠道的凭据。",
        "The credential belongs to another Weibo user; nothing was sent. Have two people replace it with this channel's.",
    ),
    "rip_missing": (
        "缺少放行人的网络地址，微博要求必填。请由放行人在签发台重新放行。",
        "The releaser's address, which Weibo requires, is missing. Release again at the counter.",
    ),
    "picture_not_loaded": (
        "图片没有准备好，什么都没有发送。请重新放行。",
        "The picture was not at hand; nothing was sent. Release again.",
    ),
    "unreachable": (
        "暂时连不上微博，什么都没有公开。稍后会自动重试；若一直如此，请联系系统管理员检查网络。",
        "Weibo cannot be reached; nothing is public. It is tried again later; if it stays so, have the network checked.",
    ),
    "malformed": (
        "微博的回答读不懂。稍后会自动重试；若一直如此，请联系系统管理员。",
        "Weibo's answer cannot be read. It is tried again later; if it stays so, ask the system administrator.",
    ),
    "no_edit": (
        "微博发布后不能用接口修改。请走“撤稿后重发”：先申请撤稿，再以新稿报审。",
        "A published post cannot be edited by interface. Withdraw it and publish anew: two requests.",
    ),
    "content_missing": ("没有内容可以发布。", "There is no content to publish."),
    "previous_missing": ("没有指明要撤回的微博。", "The post to withdraw is not named."),
}


def words(code: int | str) -> tuple[str, str]:
    """Return the Chinese and English words for a code."""
    return WORDS.get(code, (
        f"微博拒绝了请求（错误码 {code}）。请把错误码交给系统管理员核查，再决定是否重试。",
        f"Weibo refused the request (code {code}). Give the code to the system administrator, then decide whether to retry.",
    ))


def refused(code: int | str) -> PlatformRefused:
    """Return the error for a refusal before anything is public."""
    zh, en = words(code)
    return PlatformRefused(str(code), zh, en, transient=code in TRANSIENT or code in {"unreachable", "malformed"})


def rejected(code: int | str) -> Rejected:
    """Return the outcome for a definite refusal of the commit."""
    zh, en = words(code)
    return Rejected(code=str(code), zh=zh, en=en)
