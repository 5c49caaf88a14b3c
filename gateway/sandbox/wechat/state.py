"""The state of the WeChat sandbox: accounts and what they hold. Times are Unix seconds of the sandbox's clock."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, fields

from gateway.sandbox.platform import NoSuchTarget
from gateway.sandbox.storage import Storage
from gateway.sandbox.wire import JSON, Call


@dataclass(slots=True, kw_only=True)
class Token:
    """An access token: `until` is its natural end, `dead_from` when a newer one put it out of force."""

    value: str
    until: float
    dead_from: float | None = None


@dataclass(slots=True, kw_only=True)
class Material:
    """A stored file: permanent material, a temporary medium or a picture for bodies."""

    media_id: str
    kind: str
    name: str
    blob: str
    format: str
    at: float
    url: str = ""
    title: str = ""
    introduction: str = ""


@dataclass(slots=True, kw_only=True)
class Article:
    """One article as WeChat keeps it, after filtering."""

    title: str
    author: str = ""
    digest: str = ""
    content: str = ""
    content_source_url: str = ""
    thumb_media_id: str = ""
    show_cover_pic: int = 0
    need_open_comment: int = 0
    only_fans_can_comment: int = 0
    article_type: str = "news"
    image_media_ids: list[str] = field(default_factory=list)
    thumb_url: str = ""
    url: str = ""
    sn: str = ""
    is_deleted: bool = False


@dataclass(slots=True, kw_only=True)
class Draft:
    """A draft of one to eight articles; `in_job` while a publishing job that may consume it is running."""

    media_id: str
    articles: list[Article]
    create_time: int
    update_time: int
    in_job: bool = False


@dataclass(slots=True, kw_only=True)
class Job:
    """A publishing job: `status` stays 1 until `done_at`, then it becomes `outcome`."""

    publish_id: int
    media_id: str
    articles: list[Article]
    done_at: float
    outcome: int
    fail_idx: list[int]
    status: int = 1
    article_id: str = ""


@dataclass(slots=True, kw_only=True)
class Publication:
    """A published set of articles under one article id; `how` is freepublish, mass or hand."""

    article_id: str
    articles: list[Article]
    create_time: int
    update_time: int
    how: str
    msg_data_id: int


@dataclass(slots=True, kw_only=True)
class Mass:
    """A mass message."""

    msg_id: int
    msg_data_id: int
    at: float
    clientmsgid: str
    kind: str
    article_id: str = ""
    text: str = ""
    deleted: bool = False


@dataclass(slots=True, kw_only=True)
class Account:
    """An official account.

    `review_status` and `review_fail_idx` are what its publishing jobs come to (0 ok, 2 original check, 3 ordinary
    failure, 4 platform review); `publish_seconds` is how long a job runs; `verified` False loses freepublish
    (48001); `quotas` overrides daily limits per endpoint; `allow_list` holds addresses that may ask for tokens.
    """

    appid: str
    secret: str
    name: str
    kind: str = "service"
    verified: bool = True
    allow_list: list[str] = field(default_factory=lambda: ["127.0.0.1", "::1"])
    publish_seconds: float = 3.0
    review_status: int = 0
    review_fail_idx: list[int] = field(default_factory=list)
    quotas: dict[str, int] = field(default_factory=dict)
    plain: list[Token] = field(default_factory=list)
    stable: list[Token] = field(default_factory=list)
    force_refreshes: list[float] = field(default_factory=list)
    used: dict[str, int] = field(default_factory=dict)
    clears: dict[str, int] = field(default_factory=dict)
    materials: dict[str, Material] = field(default_factory=dict)
    temporaries: dict[str, Material] = field(default_factory=dict)
    pictures: dict[str, Material] = field(default_factory=dict)
    drafts: dict[str, Draft] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)
    publications: dict[str, Publication] = field(default_factory=dict)
    masses: dict[int, Mass] = field(default_factory=dict)
    comments_open: dict[str, bool] = field(default_factory=dict)
    speed: int = 0
    menu: JSON | None = None
    conditional_menus: dict[str, JSON] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class WeChatState:
    """All accounts, by appid."""

    accounts: dict[str, Account] = field(default_factory=dict)

    def account(self, appid: str) -> Account:
        """Find an account; NoSuchTarget when there is none."""
        if appid not in self.accounts:
            raise NoSuchTarget(appid)
        return self.accounts[appid]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What an endpoint's code works with: the account whose token was shown, the call, the parsed body."""

    account: Account
    call: Call
    body: JSON
    now: float
    base_url: str
    storage: Storage


CLASSES: tuple[type, ...] = (Token, Material, Article, Draft, Job, Publication, Mass, Account, WeChatState)
OK: JSON = {"errcode": 0, "errmsg": "ok"}
SETTABLE = frozenset({item.name for item in fields(Account)} & {
    "appid", "secret", "name", "kind", "verified", "allow_list", "publish_seconds", "review_status", "review_fail_idx", "quotas",
})  # fmt: skip


def opaque_id() -> str:
    """Make an identifier of the look of WeChat's media and article ids."""
    return secrets.token_urlsafe(32)


def number_id(taken: dict[int, Job] | dict[int, Mass]) -> int:
    """Make a ten-digit number that is not taken, as publish_id and msg_id are."""
    while True:
        number = 2_247_483_648 + secrets.randbelow(1_000_000_000)
        if number not in taken:
            return number


def account_of_token(state: WeChatState, value: str) -> tuple[Account, Token] | None:
    """Find whose access token this is, live or not."""
    for account in state.accounts.values():
        for token in (*account.plain, *account.stable):
            if secrets.compare_digest(token.value.encode(), value.encode()):
                return account, token
    return None


def settle(account: Account, now: float) -> None:
    """Bring the account's publishing jobs to where they are at `now`: done, and the draft consumed, or failed."""
    for job in account.jobs.values():
        if job.status != 1 or now < job.done_at:
            continue
        job.status = job.outcome
        draft = account.drafts.get(job.media_id)
        if job.outcome == 0:
            job.article_id = publish(account, job.articles, job.done_at, how="freepublish").article_id
            account.drafts.pop(job.media_id, None)
        elif draft is not None:
            draft.in_job = False


def publish(account: Account, articles: list[Article], at: float, *, how: str) -> Publication:
    """Make articles public under a new article id."""
    publication = Publication(
        article_id=opaque_id(), articles=articles, create_time=int(at), update_time=int(at), how=how,
        msg_data_id=number_id(account.masses),
    )  # fmt: skip
    account.publications[publication.article_id] = publication
    return publication
