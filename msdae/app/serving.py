"""The server's process: its address, and uvicorn."""

import socket
from collections.abc import Callable

import uvicorn

from msdae.app.guard import App
from msdae.errors import UserError

AT_ONCE = 400  # connections; a visitor has two or three


def serve(app: App, host: str, port: int, told: Callable[[str], None]) -> None:
    """Answer requests until the process is told to end.

    port: 0 for any that is free. told: the address, when it is there.

    Raises:
        UserError: the address is no one of this machine's, or taken.
    """
    listener = _listener(host, port)
    place = f"[{host}]" if ":" in host else host
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=AT_ONCE,
        timeout_graceful_shutdown=2,
    )
    told(f"http://{place}:{listener.getsockname()[1]}")
    uvicorn.Server(config).run(sockets=[listener])


def _listener(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{host}:{port}: {reason}; choose another with --host and --port") from error
