"""Menus, comments and address lists: the small endpoints that clients expect to exist."""

from __future__ import annotations

import secrets

from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Asked
from gateway.sandbox.wire import JSON, whole


def create(asked: Asked) -> JSON:
    """menu/create: one to three buttons."""
    asked.account.menu = {"button": _buttons(asked)}
    return OK


def get(asked: Asked) -> JSON:
    """menu/get: the menu as set through the API; 46003 without one."""
    if asked.account.menu is None:
        raise Refused(46003)
    if not asked.account.conditional_menus:
        return {"menu": asked.account.menu}
    conditional = list(asked.account.conditional_menus.values())
    return {"menu": asked.account.menu | {"menuid": conditional[0]["menuid"] - 1}, "conditionalmenu": conditional}


def delete(asked: Asked) -> JSON:
    """menu/delete: a write by GET; it takes the conditional menus along."""
    asked.account.menu = None
    asked.account.conditional_menus.clear()
    return OK


def addconditional(asked: Asked) -> JSON:
    """menu/addconditional: a menu for some followers."""
    if asked.account.menu is None:
        raise Refused(46003)
    menuid = str(200_000_000 + secrets.randbelow(100_000_000))
    rule = asked.body.get("matchrule")
    if not isinstance(rule, dict) or not rule:
        raise Refused(40035)
    asked.account.conditional_menus[menuid] = {"button": _buttons(asked), "matchrule": rule, "menuid": int(menuid)}
    return {"menuid": menuid}


def delconditional(asked: Asked) -> JSON:
    """menu/delconditional: delete one of them."""
    if asked.account.conditional_menus.pop(str(asked.body.get("menuid")), None) is None:
        raise Refused(46003)
    return OK


def current_selfmenu(asked: Asked) -> JSON:
    """get_current_selfmenu_info: the menu in force; sub-buttons stand in a `list` here."""
    menu = asked.account.menu
    buttons = [
        {**button, "sub_button": {"list": button["sub_button"]}} if button.get("sub_button") else button
        for button in (menu or {"button": []})["button"]
    ]
    return {"is_menu_open": int(menu is not None), "selfmenu_info": {"button": buttons}}


def comment_switch(asked: Asked, *, is_open: bool) -> JSON:
    """comment/open and comment/close for one article of a publication."""
    _known_publication(asked)
    asked.account.comments_open[f"{asked.body['msg_data_id']}|{asked.body.get('index', 0)}"] = is_open
    return OK


def comment_list(asked: Asked) -> JSON:
    """comment/list: nobody comments in the sandbox."""
    _known_publication(asked)
    number = whole(asked.body.get("count"))
    if number is None or not 0 < number <= 50:
        raise Refused(40097)
    return OK | {"total": 0, "comment": []}


def comment_absent(asked: Asked) -> JSON:
    """Acts on one comment: 88008, because there is none."""
    _known_publication(asked)
    raise Refused(88008)


def ip_list(asked: Asked) -> JSON:
    """Answer getcallbackip and get_api_domain_ip: the sandbox is loopback only."""
    del asked
    return {"ip_list": ["127.0.0.1"]}


def _buttons(asked: Asked) -> list[JSON]:
    buttons = asked.body.get("button")
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise Refused(40016)
    if not all(isinstance(button, dict) and len(button.get("sub_button") or []) <= 5 for button in buttons):
        raise Refused(40016)
    return buttons


def _known_publication(asked: Asked) -> None:
    wanted = str(asked.body.get("msg_data_id", ""))
    sent = {str(one.msg_data_id) for one in asked.account.masses.values()}
    if wanted not in sent | {str(one.msg_data_id) for one in asked.account.publications.values()}:
        raise Refused(88001)
