"""The server's process: its address, and uvicorn."""

import os
import socket
from typing import TYPE_CHECKING

import uvicorn

from msdae.app.guard import App
from msdae.errors import UserError

if TYPE_CHECKING:
    from msdae.app.server import Server

CONNECTIONS = 400  # at once; a visitor has two or three


def listener(host: str, port: int) -> socket.socket:
    """An address to listen on. port: 0 for any that is free.

    Raises:
        UserError: the address is no one of this machine's, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        known = isinstance(error.errno, int) and error.errno > 0  # not of names that are not found
        reason = (os.strerror(error.errno) if known else str(error.strerror)).lower()
        raise UserError(f"{host}:{port}: {reason}; choose another with --host and --port") from error


def address(host: str, listener: socket.socket) -> str:
    """What is typed into a browser."""
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


def config(app: App) -> uvicorn.Config:
    """How uvicorn serves: it says nothing of itself, believes no proxy, and waits for nobody at the end."""
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
    """What runs the server, which is told when that ends."""
    runs = uvicorn.Server(config(server.app))
    server.ending = lambda: runs.should_exit
    return runs


def serve(server: "Server", listener: socket.socket) -> None:
    """Answer requests until the process is told to end."""
    process(server).run(sockets=[listener])
