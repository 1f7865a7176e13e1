"""The page's server as a process: started, told to end, killed in learning, and two on one library."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from visitors import Client, until, visitor

ROOT = Path(__file__).parents[2]


def learn(client, name):
    until(lambda: client.state.get("ready"))
    clip = client.get("/api/examples")["sounds"][0]["id"]
    return client.post("/api/lessons", {"clip": clip, "name": name, "seconds": 5})


@pytest.mark.skipif(os.environ.get("MSDAE_ADVERSARY") != "whole", reason="make adversary: a minute")
def test_killed_in_learning_and_in_a_swap_the_library_is_whole(start, tmp_path):
    first = start()
    with visitor(first) as client:
        assert client.end(learn(client, "kept"))["state"] == "done"
        second = start()
        lost = learn(client, "lost")
        until(lambda: (job := client.job(lost["job"])) and job["share"] > 0.1)
        assert first.kill() == -signal.SIGKILL
    with visitor(second) as client:
        until(lambda: client.state.get("ready"))
        [entry] = client.get("/api/sounds")["sounds"]  # of the process that was killed
        tune = client.get("/api/examples")["melodies"][0]["id"]
        asked = {"levels": {"1": {"sound": entry["id"]}}, "melody": tune, "strength": 1, "seed": 0}
        begun = client.post("/api/swaps", asked)
        until(lambda: (job := client.job(begun["job"])) and job["state"] != "waiting")
        second.kill()
    [folder] = (tmp_path / "sounds").iterdir()
    assert folder.name == entry["id"] and entry["name"] == "kept"
    assert sorted(path.name for path in folder.iterdir()) == ["about.json", "learnt.sound", "preview.flac"]


def test_it_ends_when_it_is_told_and_takes_its_files_along(start, tmp_path):
    server = start()
    client = Client(server.port)
    client.visit = client.ask("POST", "/api/visits")[1]["visit"]
    visits = tmp_path / "data" / "cache" / "app" / "visits"
    assert len(list(visits.iterdir())) == 1
    server.kill(signal.SIGTERM)
    assert list(visits.iterdir()) == []


def test_it_ends_quietly_though_a_page_is_open(start, capfd):
    """Regression: with a traceback."""
    server = start()
    with visitor(server) as client:
        until(lambda: client.state)
        server.kill(signal.SIGINT)
    assert "Traceback" not in capfd.readouterr().err


def test_a_taken_port_is_said(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MSDAE_HOME": str(tmp_path)}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "msdae", "app", "--port", str(taken.getsockname()[1])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and "address already in use; choose another with" in done.stderr
