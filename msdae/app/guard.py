"""The check of every request's origin, and the headers that tell browsers what answers may do."""

import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from msdae.app.jobs import FAULT

Scope = MutableMapping[str, Any]
Send = Callable[[Scope], Awaitable[None]]
Receive = Callable[[], Awaitable[Scope]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
VISIT = "x-visit"  # the header that names the visit; no other site's page can send it
PAGE = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
# For a benchmark's report, which contains its script and sounds: sandboxed, without the rights of this page.
REPORT = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data:; media-src data:; frame-ancestors 'none'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
}
logger = logging.getLogger(__name__)


class Guard:
    """An ASGI application that checks requests before it passes them on to another.

    It refuses a request whose Host is not an IP address, localhost or one of `names`, as a hostile site may
    point its own name to this machine; one that, by the browser's headers, another site's page has sent; and
    one below /api/ that names no visit.

    Args:
        app: the application behind it.
        names: names by which the page is reached, besides IP addresses and localhost.
    """

    def __init__(self, app: App, names: Iterable[str] = ()):
        self.app, self.names = app, {"localhost", *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        begun = False

        async def guarded(message: Scope) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                known = {name.lower() for name, _ in message["headers"]}
                extra = {"content-security-policy": PAGE, **HEADERS}
                more = [(k.encode(), v.encode()) for k, v in extra.items() if k.encode() not in known]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        if (said := self._refusal(scope, headers)) is not None:
            await _answer(guarded, 403, said)
            return
        try:
            await self.app(scope, receive, guarded)
        except Exception:
            logger.exception("a request failed")
            if not begun:
                await _answer(guarded, 500, FAULT)

    def _refusal(self, scope: Scope, headers: dict[str, str]) -> str | None:
        host = headers.get("host", "")
        name = _name(host)
        if name not in self.names and not _is_address(name):
            return f"this page is not known as {name[:80]!r}; start it with --name {name[:80]}"
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2].lower() != host.lower():
            return "asked for by the page of another site"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin") and not _is_followed(
            scope, headers
        ):
            return "asked for by the page of another site"
        if scope["path"].startswith("/api/") and VISIT not in headers:
            return "asked for without a visit; open the page"
        return None


def _is_followed(scope: Scope, headers: dict[str, str]) -> bool:
    """Whether the request is a link to the page itself that a person follows."""
    shown = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return scope["method"] == "GET" and scope["path"] == "/" and shown


def _name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _answer(send: Send, status: int, text: str) -> None:
    body = json.dumps({"error": text}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
