"""Many visitors at once: nothing is lost, memory stays as it is.

With MSDAE_ADVERSARY=whole they are twenty, with ten swaps each by the model that ships.
"""

import io
import os
import threading
import time

import psutil
import pytest
import soundfile
from visitors import tone, until, visitor

WHOLE = os.environ.get("MSDAE_ADVERSARY") == "whole"
VISITORS, SWAPS = (20, 10) if WHOLE else (4, 2)
SECONDS = 5.0 if WHOLE else 1.5  # of a melody
pytestmark = pytest.mark.timeout(1800 if WHOLE else 300)
GROWTH = 1.1  # of the process's memory, from the first third of the swaps to the last


def swaps(client, number, results):
    sound = client.send("a.wav", tone(SECONDS, 200 + 10 * number))[1]["id"]
    tune = client.send("b.wav", tone(SECONDS, 300 + 10 * number))[1]["id"]
    for seed in range(SWAPS):
        asked = {
            "levels": {"1": {"clip": sound}},
            "melody": tune,
            "strength": 1,
            "guidance": None,
            "seed": seed,
        }
        begin = time.monotonic()
        job = client.end(client.post("/api/swaps", asked), 1800)
        heard = client.get(f"/api/clips/{job['result']['clip']}/sound")
        assert soundfile.info(io.BytesIO(heard)).duration == SECONDS
        results.append(time.monotonic() - begin)


def test_visitors_at_once_lose_nothing(request, capsys):
    server = request.getfixturevalue("start")("embedded") if WHOLE else request.getfixturevalue("server")
    process = psutil.Process(server.process.pid if WHOLE else os.getpid())
    memory, results, faults = [], [], []

    def visit(number):
        try:
            with visitor(server) as client:
                until(lambda: client.state.get("ready"))
                swaps(client, number, results)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=visit, args=(number,)) for number in range(VISITORS)]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        memory.append((len(results), process.memory_info().rss / 1e6))
        time.sleep(0.5)
    assert faults == [] and len(results) == VISITORS * SWAPS
    marks = [mean(memory, third) for third in range(3)]
    with capsys.disabled():
        print(
            f"\n{len(results)} swaps of {SECONDS} s, {VISITORS} visitors, {time.monotonic() - begin:.0f} s; "
            f"a swap waited {sum(results) / len(results):.1f} s, at most {max(results):.1f} s; "
            f"memory in thirds: {', '.join(f'{mark:.0f}' for mark in marks)} MB"
        )
    if WHOLE:
        assert marks[2] < GROWTH * marks[0]


def mean(memory, third):
    total = VISITORS * SWAPS
    values = [size for done, size in memory if third * total / 3 <= done <= (third + 1) * total / 3 and done]
    return sum(values) / max(1, len(values))
