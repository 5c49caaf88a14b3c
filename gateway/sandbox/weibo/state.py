"""The state of the Weibo sandbox: apps, users, tokens, posts. Times are Unix seconds of the sandbox's clock."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone

from gateway.sandbox.platform import NoSuchTarget
from gateway.sandbox.storage import Storage
from gateway.sandbox.wire import JSON, Call, Form

BEIJING = timezone(timedelta(hours=8))
TOKEN_LIFE = 157_679_999


@dataclass(slots=True, kw_only=True)
class App:
    """A registered app; posts through it must carry an address on one of its safe domains."""

    appkey: str
    secret: str
    name: str
    redirect_uri: str
    safe_domains: list[str]


@dataclass(slots=True, kw_only=True)
class User:
    """A Weibo user, with the text of the last post for the duplicate check."""

    uid: int
    screen_name: str
    description: str = ""
    created: float = 0.0
    last_text: str = ""


@dataclass(slots=True, kw_only=True)
class AccessToken:
    """An access token of one user for one app."""

    value: str
    uid: int
    appkey: str
    created: float
    until: float
    revoked: bool = False


@dataclass(slots=True, kw_only=True)
class Code:
    """An authorisation code, good once and for ten minutes."""

    value: str
    uid: int
    appkey: str
    redirect_uri: str
    until: float


@dataclass(slots=True, kw_only=True)
class Post:
    """A post: `text` as written, `shown` with its links shortened."""

    number: int
    uid: int
    appkey: str
    text: str
    shown: str
    at: float
    rip: str
    picture: str = ""
    picture_format: str = ""
    deleted: bool = False


@dataclass(slots=True, kw_only=True)
class WeiboState:
    """Everything, by id; `hits` keeps the times of counted requests per key."""

    apps: dict[str, App] = field(default_factory=dict)
    users: dict[str, User] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)
    codes: dict[str, Code] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    short_links: dict[str, str] = field(default_factory=dict)
    hits: dict[str, list[float]] = field(default_factory=dict)
    day_limit: int = 100
    post_limit: int = 30
    ip_limit: int = 15_000

    def user(self, uid: int | str) -> User:
        """Find a user; NoSuchTarget when there is none."""
        if str(uid) not in self.users:
            raise NoSuchTarget(str(uid))
        return self.users[str(uid)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an endpoint's code works with: whose token it was, all parameters without it, the files."""

    state: WeiboState
    user: User
    app: App
    call: Call
    params: Mapping[str, str]
    form: Form
    base_url: str
    storage: Storage

    @property
    def now(self) -> float:
        """The time of the call."""
        return self.call.now


CLASSES: tuple[type, ...] = (App, User, AccessToken, Code, Post, WeiboState)


def issue(state: WeiboState, user: User, app: App, now: float) -> AccessToken:
    """Issue an access token."""
    value = "2.00" + secrets.token_urlsafe(24)
    token = AccessToken(value=value, uid=user.uid, appkey=app.appkey, created=now, until=now + TOKEN_LIFE)
    state.tokens[value] = token
    return token


def next_number(state: WeiboState, now: float) -> int:
    """Make the 16-digit number of a new post: it grows with time and with each post."""
    newest = max((post.number for post in state.posts.values()), default=0)
    return max(int((now - 515_483_463) * 4_194_304), newest + 1) + secrets.randbelow(1000)


def weibo_time(at: float) -> str:
    """Write a time as Weibo does, such as `Tue May 31 17:46:55 +0800 2011`."""
    return datetime.fromtimestamp(at, BEIJING).strftime("%a %b %d %H:%M:%S %z %Y")


def as_user(state: WeiboState, user: User, base_url: str) -> JSON:
    """Write a user with the fields that the documented answers have."""
    posts = sum(post.uid == user.uid and not post.deleted for post in state.posts.values())
    avatar = f"{base_url}/avatar/{user.uid}"
    return {
        "id": user.uid, "idstr": str(user.uid), "screen_name": user.screen_name, "name": user.screen_name,
        "province": "11", "city": "8", "location": "北京 海淀区", "description": user.description, "url": "",
        "profile_image_url": f"{avatar}/50", "profile_url": f"u/{user.uid}", "domain": "", "weihao": "", "gender": "m",
        "followers_count": 0, "friends_count": 0, "statuses_count": posts, "favourites_count": 0,
        "created_at": weibo_time(user.created), "following": False, "allow_all_act_msg": False, "remark": "",
        "geo_enabled": True, "verified": False, "verified_type": -1, "allow_all_comment": True,
        "avatar_large": f"{avatar}/180", "verified_reason": "", "follow_me": False, "online_status": 0,
        "bi_followers_count": 0, "lang": "zh-cn", "level": 1, "type": 1, "ulevel": 0,
        "badge": {"kuainv": {"level": 0}, "uc_domain": 0, "enterprise": 0, "anniversary": 0},
    }  # fmt: skip


def as_status(state: WeiboState, post: Post, base_url: str, *, trim_user: bool = False) -> JSON:
    """Write a post with its user; pictures have three addresses."""
    user = state.users[str(post.uid)]
    app = state.apps.get(post.appkey)
    source = f'<a href="{base_url}/app/{post.appkey}" rel="nofollow">{app.name if app else "微博网页版"}</a>'
    status: JSON = {
        "created_at": weibo_time(post.at), "id": post.number, "mid": str(post.number), "idstr": str(post.number),
        "text": post.shown, "source": source, "favorited": False, "truncated": False, "in_reply_to_status_id": "",
        "in_reply_to_user_id": "", "in_reply_to_screen_name": "", "geo": None, "annotations": [],
        "user": post.uid if trim_user else as_user(state, user, base_url),
        "reposts_count": 0, "comments_count": 0, "attitudes_count": 0, "mlevel": 0, "visible": {"type": 0, "list_id": 0},
    }  # fmt: skip
    if post.picture:
        for name, size in (("thumbnail_pic", "thumbnail"), ("bmiddle_pic", "bmiddle"), ("original_pic", "large")):
            status[name] = picture_address(post, base_url, size)
    return status


def picture_address(post: Post, base_url: str, size: str = "large") -> str:
    """The public address of a post's picture."""
    return f"{base_url}/{size}/{post.number}.{'jpg' if post.picture_format == 'jpeg' else post.picture_format}"
