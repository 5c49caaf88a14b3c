"""OAuth 2 of Weibo: codes, access tokens, what a token is, and where a request may carry one."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from gateway.sandbox.weibo.refusals import Refused
from gateway.sandbox.weibo.state import AccessToken, App, Code, WeiboState, issue
from gateway.sandbox.wire import JSON, Call, form_of

CODE_LIFE = 600


def all_params(call: Call) -> dict[str, str]:
    """Return query and form or multipart fields together, the body's winning."""
    return {**call.query, **form_of(call).fields}


def carried_token(call: Call) -> str:
    """Find the token a request carries: query, form, multipart part, or header `Authorization: OAuth2 ...`."""
    if value := all_params(call).get("access_token"):
        return value
    scheme, _, value = call.headers.get("Authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "oauth2" else ""


def live_token(state: WeiboState, call: Call) -> AccessToken:
    """Return the live token of a request: 21332 when unknown or missing, 21327 when expired, 21316 when revoked."""
    token = state.tokens.get(carried_token(call))
    if token is None:
        raise Refused(21332)
    if token.revoked:
        raise Refused(21316)
    if call.now >= token.until:
        raise Refused(21327)
    return token


def new_code(state: WeiboState, params: Mapping[str, str], uid: int, now: float) -> Code:
    """Grant an authorisation code as a user who consents would; Refused when the request does not fit the app."""
    app = state.apps.get(params.get("client_id", ""))
    if app is None:
        raise Refused(21324)
    if params.get("response_type", "code") != "code":
        raise Refused(21329)
    if params.get("redirect_uri") != app.redirect_uri:
        raise Refused(21322)
    code = Code(value=secrets.token_hex(16), uid=uid, appkey=app.appkey, redirect_uri=app.redirect_uri, until=now + CODE_LIFE)
    state.codes[code.value] = code
    return code


def access_token(state: WeiboState, call: Call) -> JSON:
    """oauth2/access_token: a code, once, for a token."""
    params = all_params(call)
    app = _client(state, params)
    if params.get("grant_type") != "authorization_code":
        raise Refused(21328)
    code = state.codes.pop(params.get("code", ""), None)
    if code is None or code.appkey != app.appkey or call.now >= code.until:
        raise Refused(21325)
    if params.get("redirect_uri") != code.redirect_uri:
        raise Refused(21322)
    token = issue(state, state.users[str(code.uid)], app, call.now)
    call.who = str(code.uid)
    life = int(token.until - call.now)
    return {
        "access_token": token.value, "remind_in": str(life), "expires_in": life, "uid": str(code.uid), "isRealName": "true",
    }  # fmt: skip


def token_info(state: WeiboState, call: Call) -> JSON:
    """oauth2/get_token_info: whose token, which app, how many seconds are left (`expire_in`)."""
    token = live_token(state, call)
    call.who = str(token.uid)
    return {
        "uid": token.uid, "appkey": int(token.appkey), "scope": None, "create_at": int(token.created),
        "expire_in": int(token.until - call.now),
    }  # fmt: skip


def revoke(state: WeiboState, call: Call) -> JSON:
    """oauth2/revokeoauth2: end a token."""
    token = live_token(state, call)
    call.who = str(token.uid)
    token.revoked = True
    return {"result": "true"}


def _client(state: WeiboState, params: Mapping[str, str]) -> App:
    app = state.apps.get(params.get("client_id", ""))
    if app is None or not secrets.compare_digest(app.secret.encode(), params.get("client_secret", "").encode()):
        raise Refused(21324)
    return app
