"""A visitor of the page, who sends what they are told to as it is, and sounds to send."""

import http.client
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds that a job may take on a busy machine


@contextmanager
def visitor(server):
    """A visitor who stays until the block ends."""
    client = Client(server.port)
    client.visit = client.ask("POST", "/api/visits")[1]["visit"]
    client.follow()
    try:
        yield client
    finally:
        client.leave()


class Client:
    """What a page would send and hear. visit: its id. state: what it was told last."""

    def __init__(self, port):
        self.port, self.visit, self.state, self.stream = port, "new", {}, None

    def ask(self, method, path, body=None, headers=None, host=None):
        """(status, answer): JSON where it is, else bytes. None in `headers` leaves one out."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        sent = {"Host": host or f"127.0.0.1:{self.port}", "X-Visit": self.visit, **(headers or {})}
        data = (
            body if body is None or isinstance(body, bytes) or hasattr(body, "__next__") else json.dumps(body)
        )
        chunked = hasattr(body, "__next__")
        given = {name: value for name, value in sent.items() if value is not None}
        connection.request(method, path, data, given, encode_chunked=chunked)
        answer = connection.getresponse()
        content = answer.read()
        self.headers = dict(answer.getheaders())
        connection.close()
        is_json = (answer.getheader("content-type") or "").startswith("application/json")
        return answer.status, json.loads(content) if is_json else content

    def get(self, path):
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def post(self, path, body):
        status, answer = self.ask("POST", path, body)
        assert status == 200, answer
        return answer

    def follow(self):
        """Hear what is new, as an open page does."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("GET", "/api/events", headers={"X-Visit": self.visit})
        self.stream = connection.getresponse()
        self.connection = connection

        def read():
            try:
                while line := self.stream.readline():
                    self.state = json.loads(line)
            except (OSError, ValueError, AttributeError, http.client.HTTPException):
                pass  # it was closed

        threading.Thread(target=read, daemon=True).start()

    def leave(self):
        """Close the page."""
        if self.connection.sock is not None:
            self.connection.sock.shutdown(2)
        self.connection.close()

    def job(self, job):
        """What the page knows of a job."""
        return next((one for one in self.state.get("jobs", []) if one["id"] == job), None)

    def end(self, begun, seconds=PATIENCE):
        """The job, when it has ended."""
        ended = ("done", "failed", "stopped")
        until(lambda: (one := self.job(begun["job"])) is not None and one["state"] in ended, seconds)
        return self.job(begun["job"])

    def send(self, name, content):
        return self.ask("POST", f"/api/clips?name={name}", content)


class Process:
    """`msdae app` on any free port."""

    def __init__(self, home, checkpoint):
        self.home = home
        command = [sys.executable, "-m", "msdae.app", "--port", "0", "--checkpoint", str(checkpoint)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "MSDAE_HOME": str(home), "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [*command, "--device", "cpu"], env=environment, cwd=home, stdout=subprocess.PIPE, text=True
        )
        line = self.process.stdout.readline()
        assert line.startswith("open http://127.0.0.1:"), line
        self.port = int(line.rpartition(":")[2])

    def kill(self, number=signal.SIGKILL):
        """Send a signal, and wait for the end."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(60)


def until(condition, seconds=PATIENCE):
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def tone(seconds=1.0, pitch=220.0, kind="WAV", rate=44100):
    """The bytes of a file of sound."""
    time_ = np.arange(int(seconds * rate)) / rate
    buffer = io.BytesIO()
    soundfile.write(
        buffer, 0.3 * np.sin(2 * np.pi * pitch * time_) * np.exp(-(time_ % 0.5) * 4), rate, format=kind
    )
    return buffer.getvalue()
