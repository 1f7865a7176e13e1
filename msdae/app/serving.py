"""The network side of the server: its address, and uvicorn."""

import os
import socket
from typing import TYPE_CHECKING

import uvicorn

from msdae.app.guard import App
from msdae.errors import UserError

if TYPE_CHECKING:
    from msdae.app.server import Server

CONNECTIONS = 400  # simultaneous ones; a visitor has two or three


def listener(host: str, port: int) -> socket.socket:
    """A socket that listens on an address. port: 0 for any free one.

    Raises:
        UserError: the address is not one of this machine, or is in use.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        known = isinstance(error.errno, int) and error.errno > 0  # negative for names that cannot be resolved
        reason = (os.strerror(error.errno) if known else str(error.strerror)).lower()
        raise UserError(f"{host}:{port}: {reason}; choose another with --host and --port") from error


def address(host: str, listener: socket.socket) -> str:
    """The URL of the page for a browser."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def config(app: App) -> uvicorn.Config:
    """The settings of uvicorn: no access log or server header, no trust in proxies, a quick shutdown."""
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=2,
    )


def process(server: "Server") -> uvicorn.Server:
    """The uvicorn server that runs `server`; sets `server.ending`, so that streams end at shutdown."""
    runs = uvicorn.Server(config(server.app))
    server.ending = lambda: runs.should_exit
    return runs


def serve(server: "Server", listener: socket.socket) -> None:
    """Answer requests until the process is told to end."""
    process(server).run(sockets=[listener])
