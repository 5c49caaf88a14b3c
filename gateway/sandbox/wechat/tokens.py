"""Access tokens: the two ways to get one, how they age, and who may ask.

Plain and stable tokens are kept apart. A new plain token leaves the older one five minutes; stable_token repeats the
same token until five minutes before its end; force_refresh ends the old one at once, 20 times a day and not twice
within 30 seconds. Source: documentation of token and stable_token.
"""

from __future__ import annotations

import ipaddress
import re
import secrets

from gateway.sandbox.wechat.quotas import china_day
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import Account, Token, WeChatState, account_of_token
from gateway.sandbox.wire import JSON, Call

LIFE = 7200
OVERLAP = 300
FORCE_PER_DAY = 20
FORCE_APART = 30
_FORM = re.compile(r"\d+_[A-Za-z0-9_-]{100,}")


def identify(state: WeChatState, fields: JSON, call: Call) -> Account:
    """Check grant type, appid, secret and the caller's address; the account, or Refused with WeChat's code."""
    appid, secret = str(fields.get("appid") or ""), str(fields.get("secret") or "")
    if not appid:
        raise Refused(41002)
    if not secret:
        raise Refused(41004)
    if fields.get("grant_type") != "client_credential":
        raise Refused(40002)
    account = state.accounts.get(appid)
    if account is None:
        raise Refused(40013)
    if not secrets.compare_digest(account.secret.encode(), secret.encode("utf-8", "surrogatepass")):
        raise Refused(40125)
    if not _listed(account, call.remote):
        raise Refused(40164, f"invalid ip {call.remote} ipv6 ::ffff:{call.remote}, not in whitelist")
    return account


def plain_token(account: Account, now: float) -> JSON:
    """Issue a new plain token; older ones stay in force for five minutes more."""
    for token in account.plain:
        token.dead_from = min(now + OVERLAP, token.until) if token.dead_from is None else token.dead_from
    account.plain = [token for token in account.plain if now - token.until < LIFE]
    fresh = _issued(now)
    account.plain.append(fresh)
    return {"access_token": fresh.value, "expires_in": LIFE}


def stable_token(account: Account, now: float, *, force: bool) -> JSON:
    """Repeat the current stable token, or issue one near its end or by force."""
    current = next((token for token in account.stable if token.dead_from is None and token.until > now), None)
    if force:
        _count_force(account, now)
    elif current is not None and current.until - now > OVERLAP:
        return {"access_token": current.value, "expires_in": int(current.until - now)}
    for token in account.stable:
        if token.dead_from is None or force:
            token.dead_from = now if force else min(now + OVERLAP, token.until)
    account.stable = [token for token in account.stable if now - token.until < LIFE]
    fresh = _issued(now)
    account.stable.append(fresh)
    return {"access_token": fresh.value, "expires_in": LIFE}


def admitted(state: WeChatState, call: Call) -> Account:
    """Find the account whose live token a call carries: 41001, 40014, 40001 or 42001 otherwise."""
    value = call.query.get("access_token", "")
    if not value:
        raise Refused(41001)
    if not _FORM.fullmatch(value):
        raise Refused(40014)
    found = account_of_token(state, value)
    if found is None:
        raise Refused(40001)
    account, token = found
    if call.now >= token.until:
        raise Refused(42001)
    if token.dead_from is not None and call.now >= token.dead_from:
        raise Refused(40001)
    return account


def expire(account: Account, now: float, value: str | None = None) -> None:
    """End the natural life of one token, or of all of an account's, as if the time had passed."""
    for token in (*account.plain, *account.stable):
        if value is None or token.value == value:
            token.until = min(token.until, now)


def _count_force(account: Account, now: float) -> None:
    if account.force_refreshes and now - account.force_refreshes[-1] < FORCE_APART:
        raise Refused(45011)
    today = [at for at in account.force_refreshes if china_day(at) == china_day(now)]
    if len(today) >= FORCE_PER_DAY:
        raise Refused(45009)
    account.force_refreshes = [*today, now]


def _issued(now: float) -> Token:
    return Token(value=f"{10 + secrets.randbelow(90)}_{secrets.token_urlsafe(96)}", until=now + LIFE)


def _listed(account: Account, remote: str) -> bool:
    """Whether an address is on the allow-list, which may hold addresses and networks; an empty list admits no one."""
    try:
        address = ipaddress.ip_address(remote)
        return any(address in ipaddress.ip_network(entry, strict=False) for entry in account.allow_list)
    except ValueError:
        return False
