"""The WeChat sandbox: routing, credentials, quotas, and what a test or the control port may do to it.

Business errors answer HTTP 200 with `errcode`; most successful answers have no `errcode` at all.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from aiohttp import web

from gateway.sandbox.clock import Clock
from gateway.sandbox.platform import NoSuchTarget, Platform
from gateway.sandbox.wechat import pages, tokens
from gateway.sandbox.wechat.quotas import count
from gateway.sandbox.wechat.refusals import Refused
from gateway.sandbox.wechat.routes import ESCAPED, ROUTES, Route
from gateway.sandbox.wechat.state import CLASSES, SETTABLE, Account, Article, Asked, WeChatState, account_of_token, publish, settle
from gateway.sandbox.wire import JSON, Call, Reply, json_bytes, json_object

HEADERS = {"Content-Type": "application/json; encoding=utf-8"}
_EDITABLE = frozenset({"title", "author", "digest", "content", "content_source_url", "is_deleted"})


class WeChat(Platform):
    """A loopback WeChat. Start it with `running_wechat`; it begins with one account, `account()`."""

    name = "wechat"
    throttle_code = 45009

    def __init__(self, *, clock: Clock | None = None, folder: Path | None = None) -> None:
        super().__init__(clock=clock, folder=folder, classes=CLASSES)
        self.control = ""
        self.state: WeChatState = self.storage.load() or WeChatState()
        if not self.state.accounts:
            self.add_account()

    def account(self, appid: str | None = None) -> Account:
        """Return an account, by default the first; its attributes may be set to change how it is treated."""
        return self.state.account(next(iter(self.state.accounts)) if appid is None else appid)

    def add_account(self, appid: str | None = None, **wanted: Any) -> Account:
        """Create an account; `wanted` are fields of Account such as secret, name, allow_list, review_status."""
        unknown = set(wanted) - SETTABLE
        if unknown:
            raise ValueError(f"an account has no {sorted(unknown)}")
        given: JSON = {"secret": secrets.token_hex(16), "name": "签发示例公众号"} | wanted
        account = Account(appid=appid or "wx" + secrets.token_hex(8), **given)
        self.state.accounts[account.appid] = account
        return account

    def issue_token(self, appid: str | None = None) -> str:
        """Issue a plain access token without a request, for tests that are about something else."""
        return str(tokens.plain_token(self.account(appid), self.unix)["access_token"])

    def endpoint_of(self, path: str) -> str:
        """Name an endpoint without the /cgi-bin/ in front: `freepublish/submit`."""
        return path.removeprefix("/cgi-bin/").strip("/") if path.startswith("/cgi-bin/") else path.strip("/")

    def answer(self, call: Call) -> Reply:
        """Answer an API call."""
        try:
            return self._answer(call)
        except Refused as refused:
            return Reply(body=json_bytes(refused.body()), headers=HEADERS, code=refused.code)

    def refusal(self, call: Call, code: int) -> Reply:
        """Shape an error answer."""
        del call
        return Reply(body=json_bytes(Refused(code).body()), headers=HEADERS, code=code)

    def expire_carried_credential(self, call: Call) -> None:
        """Expire the access token in the query of a call."""
        value = call.query.get("access_token", "")
        if found := account_of_token(self.state, value):
            tokens.expire(found[0], call.now, value)

    def expire_credentials(self, who: str) -> None:
        """Expire all access tokens of an appid."""
        tokens.expire(self.state.account(who), self.unix)

    def edit_by_hand(self, target: str, changes: Mapping[str, Any], *, index: int = 0) -> None:
        """Alter article `index` (from 0) of a draft (media id) or a publication (article id), unfiltered."""
        if unknown := set(changes) - _EDITABLE:
            raise ValueError(f"cannot be edited by hand: {sorted(unknown)}")
        self.settle()
        for account in self.state.accounts.values():
            held = account.drafts.get(target) or account.publications.get(target)
            if held is not None and 0 <= index < len(held.articles):
                held.articles[index] = replace(held.articles[index], **changes)
                held.update_time = int(self.unix)
                return
        raise NoSuchTarget(target)

    def publish_by_hand(self, title: str, content: str, *, appid: str | None = None, notify: bool = False) -> str:
        """Publish from the back office, past every API, and answer the article id.

        With `notify` it is a mass message, which freepublish/batchget does not list.
        """
        account = self.account(appid)
        article = Article(title=title, content=content, sn=secrets.token_hex(16))
        article.url = f"{self.base_url}/s?sn={article.sn}#rd"
        return publish(account, [article], self.unix, how="mass" if notify else "hand").article_id

    def ban(self, article_id: str) -> None:
        """Ban a publication as the platform does: its articles go and its job answers status 6."""
        self.settle()
        for account in self.state.accounts.values():
            if publication := account.publications.get(article_id):
                for article in publication.articles:
                    article.is_deleted = True
                for job in account.jobs.values():
                    job.status = 6 if job.article_id == article_id else job.status
                return
        raise NoSuchTarget(article_id)

    def settle(self) -> None:
        """Finish the publishing jobs whose time has come."""
        for account in self.state.accounts.values():
            settle(account, self.unix)

    def create_account(self, wanted: JSON) -> JSON:
        """Create an account from the control port."""
        account = self.add_account(**wanted)
        self.save()
        return {"appid": account.appid, "secret": account.secret, "base_url": self.base_url}

    def accounts_json(self) -> list[JSON]:
        """List accounts with the settings that tests change, without secrets."""
        shown = [item.name for item in fields(Account) if item.name in SETTABLE and item.name != "secret"]
        return [{name: getattr(account, name) for name in shown} for account in self.state.accounts.values()]

    def published_json(self) -> list[JSON]:
        """List every article that is or was public."""
        self.settle()
        return [
            {
                "account": account.appid, "article_id": publication.article_id, "index": index, "title": article.title,
                "url": article.url, "how": publication.how, "deleted": article.is_deleted,
            }
            for account in self.state.accounts.values()
            for publication in account.publications.values()
            for index, article in enumerate(publication.articles)
        ]  # fmt: skip

    def snapshot(self) -> WeChatState:
        """Return the state."""
        return self.state

    async def page(self, request: web.Request) -> web.StreamResponse | None:
        """Answer article pages, account pages and pictures."""
        self.settle()
        return pages.page(self.state, self.storage, request)

    def _answer(self, call: Call) -> Reply:
        self.settle()
        if call.endpoint in {"token", "stable_token"} and call.path.startswith("/cgi-bin/"):
            return self._token(call)
        route = ROUTES.get(call.endpoint) if call.path.startswith("/cgi-bin/") else None
        if route is None:
            raise Refused(40066)
        account = tokens.admitted(self.state, call)
        call.who = account.appid
        if route.method != call.method:
            raise Refused(43001 if route.method == "GET" else 43002)
        if call.endpoint not in {"clear_quota", "openapi/quota/get"}:
            count(account, call.endpoint, call.now)
        asked = Asked(account=account, call=call, body=_body(route, call), now=call.now, base_url=self.base_url, storage=self.storage)
        answer = route.answering(asked)
        if isinstance(answer, Reply):
            return replace(answer, effect=route.writes)
        return Reply(body=json_bytes(answer), headers=HEADERS, effect=route.writes)

    def _token(self, call: Call) -> Reply:
        stable = call.endpoint == "stable_token"
        if call.method != ("POST" if stable else "GET"):
            raise Refused(43002 if stable else 43001)
        wanted = _json_body(call) if stable else dict(call.query)
        account = tokens.identify(self.state, wanted, call)
        call.who = account.appid
        count(account, call.endpoint, call.now)
        if stable:
            issued = tokens.stable_token(account, call.now, force=wanted.get("force_refresh") is True)
        else:
            issued = tokens.plain_token(account, call.now)
        return Reply(body=json_bytes(issued), headers=HEADERS, effect=True)


def _body(route: Route, call: Call) -> JSON:
    if route.body != "json":
        return {}
    body = _json_body(call)
    if route.writes and ESCAPED.search(call.body):
        raise Refused(40033)
    return body


def _json_body(call: Call) -> JSON:
    if not call.body.strip():
        raise Refused(44002)
    body = json_object(call.body)
    if body is None:
        raise Refused(47001)
    return body
