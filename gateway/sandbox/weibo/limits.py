"""Rate limits: 100 requests a day per user and app, 30 posts an hour per user, 15,000 an hour per address.

Source: the open platform's page on rate limiting. account/rate_limit_status is not counted.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gateway.sandbox.weibo.refusals import Refused
from gateway.sandbox.weibo.state import BEIJING, Asked, WeiboState

HOUR = 3600


def count_request(asked: Asked) -> None:
    """Count one request: 10022 for the address, 10023 for the user's day."""
    state = asked.state
    _count(state, f"ip|{asked.call.remote}", asked.now, asked.now - HOUR, state.ip_limit, 10022)
    midnight = _midnight(asked.now)
    _count(state, f"day|{asked.user.uid}|{asked.app.appkey}", asked.now, midnight, state.day_limit, 10023)


def count_post(asked: Asked) -> None:
    """Count one successful or tried post: 10024 beyond 30 in an hour."""
    key = f"post|{asked.user.uid}"
    _count(asked.state, key, asked.now, asked.now - HOUR, asked.state.post_limit, 10024, about="statuses/share")


def remaining(asked: Asked) -> tuple[int, int]:
    """Return what is left for the user today and for the address this hour."""
    state = asked.state
    day = [at for at in state.hits.get(f"day|{asked.user.uid}|{asked.app.appkey}", []) if at >= _midnight(asked.now)]
    hour = [at for at in state.hits.get(f"ip|{asked.call.remote}", []) if at > asked.now - HOUR]
    return max(0, state.day_limit - len(day)), max(0, state.ip_limit - len(hour))


def next_midnight(now: float) -> datetime:
    """The moment the day's count starts again, in Beijing."""
    return datetime.fromtimestamp(_midnight(now), BEIJING) + timedelta(days=1)


def _count(state: WeiboState, key: str, now: float, since: float, limit: int, code: int, *, about: str = "") -> None:
    recent = [at for at in state.hits.get(key, []) if at > since]
    if len(recent) >= limit:
        state.hits[key] = recent
        raise Refused(code, about)
    state.hits[key] = [*recent, now]


def _midnight(now: float) -> float:
    return datetime.fromtimestamp(now, BEIJING).replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
