"""The Weibo sandbox: routing, credentials, limits, and what a test or the control port may do to it.

Errors answer HTTP 400 or 403 with `error_code` as a JSON number.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gateway.sandbox.clock import Clock
from gateway.sandbox.platform import NoSuchTarget, Platform
from gateway.sandbox.weibo import oauth, pages, statuses
from gateway.sandbox.weibo.limits import count_request
from gateway.sandbox.weibo.refusals import Refused
from gateway.sandbox.weibo.state import CLASSES, App, Asked, Post, User, WeiboState, issue, next_number
from gateway.sandbox.wire import JSON, Call, Reply, form_of, json_bytes

HEADERS = {"Content-Type": "application/json;charset=UTF-8"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One endpoint below /2/."""

    answering: Callable[[Asked], JSON]
    method: str = "GET"
    writes: bool = False
    counted: bool = True


ROUTES: dict[str, Route] = {
    "statuses/share": Route(answering=statuses.share, method="POST", writes=True),
    "statuses/destroy": Route(answering=statuses.destroy, method="POST", writes=True),
    "statuses/show": Route(answering=statuses.show),
    "statuses/user_timeline": Route(answering=statuses.user_timeline),
    "users/show": Route(answering=statuses.users_show),
    "account/get_uid": Route(answering=statuses.get_uid),
    "account/rate_limit_status": Route(answering=statuses.rate_limit_status, counted=False),
}
_OAUTH: dict[str, tuple[Callable[[WeiboState, Call], JSON], bool]] = {
    "oauth2/access_token": (oauth.access_token, True),
    "oauth2/get_token_info": (oauth.token_info, False),
    "oauth2/revokeoauth2": (oauth.revoke, True),
}


class Weibo(Platform):
    """A loopback Weibo. Start it with `running_weibo`; it begins with one app, `app()`, and one user, `user()`."""

    name = "weibo"
    throttle_code = 10023

    def __init__(self, *, clock: Clock | None = None, folder: Path | None = None) -> None:
        super().__init__(clock=clock, folder=folder, classes=CLASSES)
        self.control = ""
        self.state: WeiboState = self.storage.load() or WeiboState()
        if not self.state.apps:
            self.add_app()
        if not self.state.users:
            self.add_user()

    def app(self, appkey: str | None = None) -> App:
        """Return an app, by default the first."""
        key = next(iter(self.state.apps)) if appkey is None else appkey
        if key not in self.state.apps:
            raise NoSuchTarget(key)
        return self.state.apps[key]

    def user(self, uid: int | str | None = None) -> User:
        """Return a user, by default the first."""
        return self.state.user(next(iter(self.state.users)) if uid is None else uid)

    def add_app(self, appkey: str | None = None, *, secret: str | None = None, name: str = "签发",
                redirect_uri: str = "http://127.0.0.1/callback", safe_domains: tuple[str, ...] = ("example.com",)) -> App:  # fmt: skip
        """Register an app; posts must carry an address on one of `safe_domains` or below it."""
        app = App(
            appkey=appkey or str(1_000_000_000 + secrets.randbelow(3_000_000_000)), secret=secret or secrets.token_hex(16),
            name=name, redirect_uri=redirect_uri, safe_domains=list(safe_domains),
        )  # fmt: skip
        self.state.apps[app.appkey] = app
        return app

    def add_user(self, uid: int | None = None, *, screen_name: str = "签发示例微博", description: str = "") -> User:
        """Create a user."""
        number = uid if uid is not None else 1_000_000_000 + secrets.randbelow(6_000_000_000)
        user = User(uid=number, screen_name=screen_name, description=description, created=self.unix)
        self.state.users[str(number)] = user
        return user

    def issue_token(self, uid: int | str | None = None, appkey: str | None = None) -> str:
        """Issue an access token without the OAuth dance."""
        return issue(self.state, self.user(uid), self.app(appkey), self.unix).value

    def endpoint_of(self, path: str) -> str:
        """Name an endpoint as the documentation does: `statuses/share`, `oauth2/access_token`."""
        return path.strip("/").removeprefix("2/").removesuffix(".json")

    def answer(self, call: Call) -> Reply:
        """Answer an API call."""
        try:
            return self._answer(call)
        except Refused as refused:
            return self._refused(call, refused)

    def refusal(self, call: Call, code: int) -> Reply:
        """Shape an error answer."""
        return self._refused(call, Refused(code, call.endpoint))

    def expire_carried_credential(self, call: Call) -> None:
        """Expire the token a call carries."""
        if token := self.state.tokens.get(oauth.carried_token(call)):
            token.until = min(token.until, call.now)

    def expire_credentials(self, who: str) -> None:
        """Expire all tokens of a user."""
        uid = self.state.user(who).uid
        for token in self.state.tokens.values():
            token.until = min(token.until, self.unix) if token.uid == uid else token.until

    def edit_by_hand(self, target: str, changes: Mapping[str, Any], *, index: int = 0) -> None:
        """Alter a post (`text`, `deleted`) as its owner on the web could."""
        del index
        if unknown := set(changes) - {"text", "deleted"}:
            raise ValueError(f"cannot be edited by hand: {sorted(unknown)}")
        post = self.state.posts.get(target)
        if post is None:
            raise NoSuchTarget(target)
        if "text" in changes:
            post.text = post.shown = str(changes["text"])
        post.deleted = bool(changes.get("deleted", post.deleted))

    def publish_by_hand(self, text: str, *, uid: int | None = None) -> str:
        """Post from the web page, past every API, and answer the post's idstr."""
        number = next_number(self.state, self.unix)
        post = Post(number=number, uid=self.user(uid).uid, appkey="", text=text, shown=text, at=self.unix, rip="")
        self.state.posts[str(number)] = post
        return str(number)

    def create_account(self, wanted: JSON) -> JSON:
        """Create a user (and an app when `app` is given) from the control port; answers a token ready for use."""
        asked_app = wanted.pop("app", None)
        app = self.add_app(**asked_app) if asked_app else self.app()
        user = self.add_user(**wanted)
        token = self.issue_token(user.uid, app.appkey)
        self.save()
        return {
            "uid": str(user.uid), "appkey": app.appkey, "secret": app.secret, "access_token": token,
            "safe_domains": app.safe_domains, "base_url": self.base_url,
        }  # fmt: skip

    def accounts_json(self) -> list[JSON]:
        """List users and the apps' public parts."""
        users: list[JSON] = [{"uid": str(user.uid), "screen_name": user.screen_name} for user in self.state.users.values()]
        apps = [{"appkey": app.appkey, "name": app.name, "safe_domains": app.safe_domains} for app in self.state.apps.values()]
        return users + apps

    def published_json(self) -> list[JSON]:
        """List every post that is or was public."""
        return [
            {
                "account": str(post.uid), "idstr": str(post.number), "text": post.text, "deleted": post.deleted,
                "url": f"{self.base_url}/{post.uid}/{post.number}", "rip": post.rip,
            }
            for post in self.state.posts.values()
        ]  # fmt: skip

    def snapshot(self) -> WeiboState:
        """Return the state."""
        return self.state

    async def page(self, request: web.Request) -> web.StreamResponse | None:
        """Answer public pages, and the authorisation page, whose user consents at once."""
        if request.path == "/oauth2/authorize":
            return self._authorise(request)
        return pages.page(self.state, self.storage, request, self.base_url)

    def _authorise(self, request: web.Request) -> web.Response:
        params = dict(request.query)
        try:
            code = oauth.new_code(self.state, params, self.user().uid, self.unix)
        except Refused as refused:
            return web.Response(status=refused.status, body=json_bytes(refused.body(request.path)), headers=HEADERS)
        answer = {"code": code.value} | ({"state": params["state"]} if "state" in params else {})
        raise web.HTTPFound(f"{code.redirect_uri}?{urlencode(answer)}")

    def _answer(self, call: Call) -> Reply:
        if call.endpoint in _OAUTH:
            answering, writes = _OAUTH[call.endpoint]
            if call.method != "POST" and call.endpoint != "oauth2/revokeoauth2":
                raise Refused(21323)
            return Reply(body=json_bytes(answering(self.state, call)), headers=HEADERS, effect=writes)
        route = ROUTES.get(call.endpoint) if call.path.startswith("/2/") and call.path.endswith(".json") else None
        if route is None:
            raise Refused(10020)
        if call.method != route.method:
            raise Refused(10021)
        token = oauth.live_token(self.state, call)
        call.who = str(token.uid)
        asked = Asked(
            state=self.state, user=self.state.users[str(token.uid)], app=self.state.apps[token.appkey], call=call,
            params=oauth.all_params(call), form=form_of(call), base_url=self.base_url, storage=self.storage,
        )  # fmt: skip
        if route.counted:
            count_request(asked)
        return Reply(body=json_bytes(route.answering(asked)), headers=HEADERS, effect=route.writes)

    def _refused(self, call: Call, refused: Refused) -> Reply:
        return Reply(body=json_bytes(refused.body(call.path)), status=refused.status, headers=HEADERS, code=refused.code)
