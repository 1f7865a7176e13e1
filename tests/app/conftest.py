"""A server with a tiny model in a thread of this process, and a visitor of it."""

import os
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the extra `app` is not installed")
sys.path.insert(0, str(Path(__file__).parent))  # tests import visitors by name

from visitors import Process, until, visitor

from msdae.app import examples, serving
from msdae.app.clips import Bounds
from msdae.app.server import Server
from msdae.inference.pipeline import Pipeline, Sampling

BOUNDS = Bounds(longest=6.0, largest=2.0)
STEPS = 30  # of learning


class Absent:
    """In place of UMAP, which is compiled for half a minute and has tests of its own."""

    @staticmethod
    def project(codes):
        raise ImportError


class Quick(Pipeline):
    """Learns in a few steps what should take seconds; what should take a minute takes as long."""

    def learn(self, sources, seconds, **options):
        return super().learn(sources, seconds, STEPS if seconds <= 20 else None, **options)


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where the examples are kept, for all servers of the tests; there are fewer of them."""
    few = dict(list(examples.SOUNDS.items())[:6])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "SOUNDS", few)
        yield tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def serve(checkpoint, cache):
    """A context of a running server; its arguments are `Server`'s."""

    @contextmanager
    def running(library, **options):
        def make():
            return Quick.from_pretrained(checkpoint, "cpu", Sampling(steps=2))

        server = Server(make, library, cache, **{"bounds": BOUNDS, **options})
        process = serving.process(server)
        process.config.port = 0
        thread = threading.Thread(target=process.run, daemon=True)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(examples, "umap", Absent)
            thread.start()
            until(lambda: process.started)
            server.port = process.servers[0].sockets[0].getsockname()[1]
            try:
                until(lambda: server.studio.ready or server.studio.opening.ended)
                yield server
            finally:
                process.should_exit = True
                thread.join(30)

    return running


@pytest.fixture(scope="module")
def server(serve, tmp_path_factory):
    """A server for the tests of a module."""
    with serve(tmp_path_factory.mktemp("library") / "sounds") as running:
        yield running


@pytest.fixture
def client(server):
    """A visitor of the server."""
    with visitor(server) as client:
        yield client


@pytest.fixture
def start(tmp_path, checkpoint):
    """A function that starts `msdae app` as a process; none is left."""
    processes = []

    def begun(model=checkpoint):
        processes.append(Process(tmp_path, model))
        return processes[-1]

    yield begun
    for one in processes:
        one.kill()


@pytest.fixture(scope="module")
def browser():
    from browsing import BROWSER, playwright

    if BROWSER is None:
        pytest.skip("no Chromium (apt-get install chromium)")
    flags = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", "--mute-audio"]
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=flags + root)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, server):
    """A function that opens the page; afterwards nothing was asked of other hosts, and no script failed."""
    from browsing import SLOW, expect

    asked, faults, contexts = [], [], []

    def open_page(**options):
        context = browser.new_context(**{"viewport": {"width": 1180, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(SLOW)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(f"http://127.0.0.1:{server.port}/")
        expect(page.locator("#sound-slot option", has_text="Grand piano")).to_be_attached(timeout=SLOW)
        return page

    yield open_page
    for context in contexts:
        context.close()
    here = (f"http://127.0.0.1:{server.port}/", "blob:", "data:")
    assert [url for url in asked if not url.startswith(here)] == []
    assert faults == []
