"""Open the web page: swap, learn and hear sounds in a browser."""

import logging
from collections.abc import Sequence
from pathlib import Path

from msdae import cli, folders
from msdae.errors import UserError
from msdae.limits import CLIP_SECONDS, UPLOAD, Range

PORT = 7860
LOCAL = "127.0.0.1"


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "app",
        "Open a page in which sounds are swapped, learnt and heard. It is reached from this machine alone\n"
        "unless --host says otherwise; nothing is sent anywhere else.",
        "--port 7860",
    )
    parser.add_argument(
        "--host", default=LOCAL, help="address to listen on; 0.0.0.0 listens on all addresses of this machine"
    )
    parser.add_argument(
        "--port",
        type=cli.ranged(Range(0, 65535)),
        default=PORT,
        help="port to listen on; 0 takes any free one",
    )
    parser.add_argument(
        "--name",
        action="append",
        default=[],
        help="name by which others reach the page, such as studio.local (repeatable)",
    )
    parser.add_argument(
        "--library", type=Path, metavar="DIR", help="folder of learnt sounds (default: sounds/)"
    )
    parser.add_argument(
        "--longest", type=cli.ranged(CLIP_SECONDS, float), default=120.0, help="longest clip, in seconds"
    )
    parser.add_argument(
        "--largest", type=cli.ranged(UPLOAD, float), default=40.0, help="largest upload, in MB"
    )
    cli.add_model(parser)
    options = parser.parse_args(argv)
    try:
        from msdae.app import serving
    except ImportError as error:
        raise UserError(f"the page needs {error.name}: pip install 'msdae[app]'") from error
    listener = serving.listener(options.host, options.port)
    from msdae.app.clips import Bounds
    from msdae.app.server import Server
    from msdae.inference.pipeline import Pipeline

    logging.getLogger("msdae.training").setLevel(logging.WARNING)  # the page shows the progress of learning
    server = Server(
        lambda: Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec),
        options.library or folders.home() / "sounds",
        folders.cache() / "app",
        Bounds(options.longest, options.largest),
        (folders.runs(),),
        (*options.name, options.host),
    )
    print(f"open {serving.address(options.host, listener)}", flush=True)
    serving.serve(server, listener)
