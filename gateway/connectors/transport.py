"""The only way out: HTTP calls to a platform with every trap of the client library shut.

1. No redirects: a client that follows them hands custom credential headers to the second origin.
2. No proxy variables, no cookies, no automatic resending of any method; an idle connection is reused for 4 s only.
3. The connected peer's address is checked: a sandbox deployment talks to loopback only, a live one never does.
4. An error says whether a request byte may have left (`ReplyLost`) or surely did not (`NotSent`), and nothing else: it
   carries the library's error by name only, since that one's text may quote the address and so a token.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import aiohttp
from yarl import URL

REPLY_LIMIT: Final = 32 << 20

Kind = Literal["sandbox", "live"]

_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
# Shared address space (RFC 6598), protocol assignments (RFC 6890) and one cloud's host channel, which counts as public space.
_SHARED_V4: Final = tuple(map(ipaddress.ip_network, ("100.64.0.0/10", "192.0.0.0/24", "168.63.129.16/32")))
# Local NAT64 (RFC 8215), Teredo and site-local addresses, whatever the library's tables of the day say.
_OTHER_V6: Final = tuple(map(ipaddress.ip_network, ("64:ff9b:1::/48", "2001::/32", "fec0::/10")))


class NotSent(Exception):
    """The request failed before any byte of it left: name, connection, TLS, or a peer that is not allowed."""


class ReplyLost(Exception):
    """The request may have reached the platform, but no whole answer came back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole answer: status, headers (lower-case names, last value wins) and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def peer_allowed(address: str, kind: Kind) -> bool:
    """Return whether a deployment of `kind` may talk to the IP `address`.

    Unwraps IPv4 in IPv6 (mapped, compatible, 6to4, NAT64) first; shared address space and cloud metadata are never global.
    """
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.split("%", 1)[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = _inner(ip) or ip
    if kind == "sandbox":
        return ip.is_loopback
    refused = _SHARED_V4 if isinstance(ip, ipaddress.IPv4Address) else _OTHER_V6
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in refused)


def _inner(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, or None."""
    if ip in _NAT64 or (ip in _COMPATIBLE and int(ip) > 1):
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


class _Progress:
    """Whether a byte of one request may have left, as the client library tells it."""

    __slots__ = ("sent",)

    def __init__(self) -> None:
        self.sent = False


class _Broken(aiohttp.ClientError):
    """A connection failed; of a type that the client library does not answer by sending the request again."""


async def _never_again(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Keep the library from resending: it repeats GET by itself when a connection breaks, and POST never (a test holds both)."""
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _Broken(type(error).__name__) from None


_ONCE: Final = (_never_again,)


class PeerRefused(OSError):
    """The name led to an address this deployment may not talk to."""


class Transport:
    """One outward HTTP client for a deployment kind; see the module's list."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._headers_sent)
        connector = aiohttp.TCPConnector(keepalive_timeout=4, limit=64, ttl_dns_cache=30, socket_factory=self._socket)
        self._session = aiohttp.ClientSession(
            connector=connector, trace_configs=[trace], cookie_jar=aiohttp.DummyCookieJar(), trust_env=False,
            headers={"Accept-Encoding": "identity"},
            auto_decompress=True, max_line_size=16384, max_field_size=16384,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),  # `request` has its own deadline, around all of it
        )
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _socket(self, addr_info: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _name, address = addr_info
        if not peer_allowed(str(address[0]), self._kind):
            raise PeerRefused(f"peer {address[0]} is not allowed in a {self._kind} deployment")
        return socket.socket(family, kind, protocol)

    @staticmethod
    async def _headers_sent(_session: Any, context: Any, _params: Any) -> None:
        progress = context.trace_request_ctx
        if isinstance(progress, _Progress):
            progress.sent = True

    async def request(self, method: Literal["GET", "POST"], url: str, *, headers: Mapping[str, str] | None = None,
                      data: Any = None, deadline: float = 20.0) -> Reply:
        """Send one request and return the whole answer.

        Raises:
            ValueError: the method is neither GET nor POST; nothing else is offered.
            NotSent: surely no byte of the request left.
            ReplyLost: a byte may have left, and the answer is missing, cut, too long or late.
        """
        if method not in {"GET", "POST"}:
            raise ValueError("only GET and POST")
        if self._session is None:
            raise NotSent("transport is closed")
        progress = _Progress()
        try:
            async with asyncio.timeout(deadline), self._session.request(
                method, URL(url, encoded=True), headers=headers, data=data, allow_redirects=False,
                trace_request_ctx=progress, middlewares=_ONCE if method == "GET" else (),
            ) as response:
                body = await _read(response)
                return Reply(status=response.status, headers={k.lower(): v for k, v in response.headers.items()}, body=body)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
            cause = str(error) if isinstance(error, _Broken) else type(error).__name__
        # Raised out here: the library's error may quote the address with its token, and a chained error is printed too.
        raise ReplyLost(cause) if progress.sent else NotSent(cause)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    while part := await response.content.readany():
        parts.append(part)
        size += len(part)
        if size > REPLY_LIMIT:
            raise aiohttp.ClientPayloadError("reply too long")
    return b"".join(parts)
