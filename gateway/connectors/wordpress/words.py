"""What WordPress's refusals mean and what to do next, in plain words."""

from __future__ import annotations

from typing import Final

from gateway.connectors.base import PlatformRefused, Rejected

_SIGN_IN: Final = (
    "网站不接受这份应用程序密码。请内容管理员在网站后台“用户 → 个人资料 → 应用程序密码”重新生成，并由两人在签发台更换凭据。",
    "The site does not accept this application password. Make a new one there (Users → Profile) and have two people replace it.",
)
_RIGHTS: Final = (
    "这个网站账号没有此项权限。请网站管理员把它设为“编辑”角色后再试。",
    "The site's user lacks the right for this. Ask the site's administrator to make it an editor, then try again.",
)
_NO_POST: Final = (
    "网站上已找不到这篇文章或草稿，可能被人在后台删除。请查看网站后台，再决定撤销本次发布或重新报审。",
    "The post or draft is no longer on the site; somebody may have deleted it there. Look at the site, then cancel or submit again.",
)
_INVALID: Final = (
    "网站拒绝了其中一个字段的值。请联系系统管理员核对渠道设置（分类、标签、作者）。",
    "The site refused the value of a field. Ask the system administrator to check the channel's settings (categories, tags, author).",
)

WORDS: Final[dict[str, tuple[str, str]]] = {
    "not_signed_in": _SIGN_IN, "incorrect_password": _SIGN_IN, "invalid_username": _SIGN_IN, "invalid_email": _SIGN_IN, "rest_not_logged_in": _SIGN_IN,
    "application_passwords_disabled": (
        "网站关闭了应用程序密码（多因未用 https 或被安全插件停用）。请网站管理员开启后再试。",
        "The site has application passwords switched off (no https, or a security plug-in). Ask its administrator to allow them.",
    ),
    "application_passwords_disabled_for_user": _SIGN_IN,
    "rest_cannot_create": _RIGHTS, "rest_cannot_edit": _RIGHTS, "rest_cannot_publish": _RIGHTS, "rest_cannot_delete": _RIGHTS,
    "rest_cannot_edit_others": _RIGHTS, "rest_cannot_assign_sticky": _RIGHTS, "rest_cannot_assign_term": _RIGHTS,
    "rest_forbidden": _RIGHTS, "rest_forbidden_context": _RIGHTS, "rest_forbidden_status": _RIGHTS, "rest_cannot_read": _RIGHTS,
    "rest_user_cannot_delete_post": _RIGHTS,
    "rest_invalid_param": _INVALID, "rest_missing_callback_param": _INVALID, "rest_invalid_author": _INVALID,
    "rest_invalid_field": _INVALID, "rest_invalid_json": _INVALID,
    "rest_post_invalid_id": _NO_POST,
    "rest_no_route": (
        "这个地址上没有 WordPress 的文章接口。请核对渠道设置里的网站地址。",
        "There is no WordPress post interface at this address. Check the site address in the channel's settings.",
    ),
    "rest_already_trashed": ("文章已经在回收站里，公众看不到它。", "The post is in the trash already; the public does not see it."),
    "rest_trash_not_supported": (
        "网站关闭了回收站，签发不会彻底删除文章。请网站管理员开启回收站后再撤稿。",
        "The site has its trash switched off, and a post is never destroyed from here. Ask its administrator to switch it on.",
    ),
    "rest_upload_unknown_error": (
        "网站没有收下图片。请网站管理员检查上传目录权限与剩余空间，然后重试。",
        "The site did not take a picture. Ask its administrator to check the upload folder's rights and free space, then retry.",
    ),
    "unreachable": (
        "暂时连不上网站，什么都没有公开。稍后会自动重试；若一直如此，请联系网站管理员。",
        "The site cannot be reached at the moment; nothing is public. It is tried again later; if it stays so, ask the site's administrator.",
    ),
    "not_wordpress": (
        "网站的回答不是 WordPress 的格式，可能是维护页、跳转或防火墙。请联系网站管理员。",
        "The answer is not WordPress's: a maintenance page, a redirect or a firewall, perhaps. Ask the site's administrator.",
    ),
    "plain_http": (
        "网站地址必须以 https 开头，否则密码会在网上明文传送。请修改渠道设置。",
        "The site's address has to begin with https, or the password would travel in the clear. Change the channel's settings.",
    ),
    "site_missing": ("渠道设置里没有网站地址。请系统管理员补上。", "The channel's settings name no site. Ask the system administrator."),
    "settings": (
        "渠道设置里的分类、标签或作者编号不是数字。请系统管理员改正。",
        "A category, tag or author number in the channel's settings is no number. Ask the system administrator.",
    ),
    "slug_taken": (
        "网站上已有一篇同样内容的文章占用了这个地址。请先核对是否重复发布。",
        "A post with the same content holds this address already. Check first whether this would publish it twice.",
    ),
    "handles_missing": (
        "存证里没有准备这次发布时得到的全部编号，签发不能自动核对它是否公开。请到网站后台查看，再由两人在签发台据实登记结果。",
        "The log lacks a number that the preparation was given, so it cannot be read back from here. Look at the site, then have two people record what is so.",
    ),
    "draft_gone": _NO_POST,
    "draft_public": (
        "为本次发布准备的草稿已被人在后台公开或改了状态。请立即查看网站，必要时紧急撤稿。",
        "The draft made for this publication was published or changed in the back office. Look at the site now; withdraw it if need be.",
    ),
    "not_live": (
        "这篇文章现在不是公开状态，不能修改或撤回。请查看网站后台。",
        "This post is not public now, so it cannot be edited or withdrawn. Look at the site's back office.",
    ),
    "content_missing": ("没有内容可以发布。", "There is no content to publish."),
    "previous_missing": ("没有指明要修改或撤回的文章。", "The post to edit or withdraw is not named."),
}


def words(code: str) -> tuple[str, str]:
    """Return the Chinese and English words for a code; an unknown one is named and sent to the administrator."""
    return WORDS.get(code, (
        f"网站拒绝了请求（{code}）。请把这个代码交给系统管理员核查，再决定是否重试。",
        f"The site refused the request ({code}). Give this code to the system administrator, then decide whether to retry.",
    ))


def refused(code: str, *, transient: bool = False) -> PlatformRefused:
    """Return the error for a refusal before anything is public."""
    zh, en = words(code)
    return PlatformRefused(code, zh, en, transient=transient)


def rejected(code: str) -> Rejected:
    """Return the outcome for a definite refusal of the commit."""
    zh, en = words(code)
    return Rejected(code=code, zh=zh, en=en)
