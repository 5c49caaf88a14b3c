"""Daily quotas per endpoint, and their reset ten times a month.

The day and the month are Beijing's. Source: documentation of API call limits for new accounts.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.state import OK, Account, Asked
from gateway.sandbox.wire import JSON

BEIJING = timezone(timedelta(hours=8))
CLEARS_PER_MONTH = 10
DAILY: dict[str, int] = {
    "token": 2000, "stable_token": 500_000,
    "menu/create": 1000, "menu/get": 10_000, "menu/delete": 1000,
    "media/upload": 100_000, "media/get": 200_000, "media/uploadimg": 100_000, "media/uploadnews": 10,
    "material/add_material": 100_000,
    "message/mass/sendall": 100, "message/mass/send": 100, "message/mass/delete": 10, "message/mass/preview": 100,
    "draft/add": 1000, "draft/get": 500, "draft/delete": 1000, "draft/update": 1000, "draft/count": 1000,
    "draft/batchget": 1000,
    "freepublish/submit": 100, "freepublish/get": 100, "freepublish/delete": 10, "freepublish/getarticle": 100,
    "freepublish/batchget": 100,
}  # fmt: skip
OTHERS = 100_000


def china_day(now: float) -> str:
    """Name the Beijing day of a moment."""
    return datetime.fromtimestamp(now, BEIJING).strftime("%Y-%m-%d")


def limit_of(account: Account, endpoint: str) -> int:
    """Return an endpoint's daily limit for this account."""
    return account.quotas.get(endpoint, DAILY.get(endpoint, OTHERS))


def count(account: Account, endpoint: str, now: float) -> None:
    """Count one call; 45009 when the day's quota is used up."""
    day = china_day(now)
    account.used = {key: used for key, used in account.used.items() if key.startswith(day)}
    key = f"{day}|{endpoint}"
    used = account.used.get(key, 0)
    if used >= limit_of(account, endpoint):
        raise Refused(45009)
    account.used[key] = used + 1


def quota_get(asked: Asked) -> JSON:
    """openapi/quota/get: a path's limit, use and rest today."""
    path = str(asked.body.get("cgi_path") or "")
    endpoint = path.removeprefix("/cgi-bin/")
    if endpoint == path or not endpoint:
        raise Refused(76021)
    limit = limit_of(asked.account, endpoint)
    used = asked.account.used.get(f"{china_day(asked.now)}|{endpoint}", 0)
    return OK | {"quota": {"daily_limit": limit, "used": used, "remain": max(0, limit - used)}}


def clear_quota(asked: Asked) -> JSON:
    """clear_quota: forget today's counts, ten times a month."""
    if asked.body.get("appid") != asked.account.appid:
        raise Refused(40013)
    month = china_day(asked.now)[:7]
    done = asked.account.clears.get(month, 0)
    if done >= CLEARS_PER_MONTH:
        raise Refused(48006)
    asked.account.clears = {month: done + 1}
    asked.account.used.clear()
    return OK
