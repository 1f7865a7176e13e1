"""The server as its page and others use it: by real requests."""

import io
import json
import os
import random
import re

import pytest
import soundfile
from visitors import tone, until, visitor

from msdae.app import clips, guard

PAGE = ("/", "/page.css", "/main.js", "/net.js", "/sound.js", "/icon.svg")


def melody(client):
    return client.get("/api/examples")["melodies"][0]["id"]


def order(sound, tune, **more):
    return {"levels": {"1": sound}, "melody": tune, "strength": 1, "guidance": None, "seed": 0, **more}


# -- the page


@pytest.mark.parametrize("path", PAGE)
def test_the_page_is_served_and_may_ask_nothing_of_other_hosts(client, path):
    status, content = client.ask("GET", path, headers={"X-Visit": None})
    assert status == 200
    assert client.headers["content-security-policy"] == guard.PAGE
    assert client.headers["x-content-type-options"] == "nosniff" and "server" not in client.headers
    addresses = set(re.findall(rb"https?://[\w.]+", content))
    assert addresses <= {b"http://www.w3.org"}, "other hosts are named"
    assert b'style="' not in content and b"onclick=" not in content


def test_every_file_that_the_page_asks_for_is_there(client):
    text = client.ask("GET", "/")[1].decode()
    wanted = set(re.findall(r'(?:src|href)="(/[^"]+)"', text))
    known, names = set(), set()
    while left := (wanted | names) - known:
        for path in left:
            status, content = client.ask("GET", path)
            assert status == 200, path
            names |= {f"/{name}" for name in re.findall(r'from "\./([\w.]+)"', content.decode())}
        known |= left
    assert len(names) > 5 and {"/lane.js", "/slot.js"} <= names, "what scripts ask for that scripts ask for"


# -- who is answered


@pytest.mark.parametrize(
    ("headers", "host", "status"),
    [
        ({}, None, 200),
        ({}, "localhost:7860", 200),
        ({}, "[::1]:7860", 200),
        ({}, "192.168.1.7", 200),
        ({}, "evil.example", 403),
        ({}, "127.0.0.1.evil.example", 403),
        ({}, "localhost.evil.example:7860", 403),
        ({"Origin": "http://evil.example"}, None, 403),
        ({"Origin": "null"}, None, 403),
        ({"Sec-Fetch-Site": "cross-site"}, None, 403),
        ({"Sec-Fetch-Site": "same-site"}, None, 403),
        ({"Sec-Fetch-Site": "same-origin"}, None, 200),
        ({"X-Visit": None}, None, 403),
        ({"X-Visit": "guessed"}, None, 410),
        ({"X-Visit": ""}, None, 410),
    ],
)
def test_only_the_page_itself_is_answered(client, headers, host, status):
    assert client.ask("GET", "/api/examples", headers=headers, host=host)[0] == status


def test_a_name_that_was_given_is_known(serve, tmp_path):
    with serve(tmp_path / "sounds", names=("Studio.local",)) as named, visitor(named) as client:
        assert client.ask("GET", "/", host="studio.local:80")[0] == 200
        status, answer = client.ask("GET", "/", host="other.local")
        assert status == 403 and "--name other.local" in answer["error"]


def test_a_link_from_elsewhere_opens_the_page_alone(client):
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert client.ask("GET", "/", headers=followed)[0] == 200
    assert client.ask("GET", "/api/sounds", headers=followed)[0] == 403
    assert client.ask("GET", "/", headers={**followed, "Sec-Fetch-Dest": "iframe"})[0] == 403


def test_what_one_visitor_has_no_other_finds(server, client):
    clip = client.send("a.wav", tone())[1]
    with visitor(server) as other:
        assert other.ask("GET", f"/api/clips/{clip['id']}")[0] == 400
        assert other.ask("GET", f"/api/clips/{clip['id']}/sound")[0] == 400
        swap = order({"clip": clip["id"]}, melody(other))
        assert "no longer here" in other.ask("POST", "/api/swaps", swap)[1]["error"]


# -- paths

SECRET = "/etc/passwd"
TRAVERSALS = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "//etc/passwd",
    "/file=/etc/passwd",
    "/file/etc/passwd",
    "/gradio_api/file=/etc/passwd",
    "/static/../../../etc/passwd",
    "/page.css/../../../../etc/passwd",
    "/page.css%00.html",
    "/main.js/..;/server.py",
    "/..\\..\\etc\\passwd",
    "/server.py",
    "/__init__.py",
    "/page/index.html",
    "/.git/config",
    "/bench/-1",
    "/bench/0",
    "/bench/..%2f0",
    "/api/clips/..%2f..%2fetc%2fpasswd",
    "/api/clips/..%2f..%2f..%2fetc%2fpasswd/sound",
    "/api/clips/%2fetc%2fpasswd/sound",
    "/api/clips/../../etc/passwd/sound",
    "/api/clips/x/..%2f..%2fetc",
    "/api/sounds/..%2f..%2fetc/file",
    "/api/sounds/../file",
    "/api/sounds/%2e%2e/file",
    "/api/sounds/0000000000000000/..%2fabout.json",
    "/api/sounds/%00/file",
    "/api/sounds/~root/file",
    "/api/sounds/C:%5Cwindows/file",
    "/api/jobs/..%2f..%2fx",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_out(client, path):
    with open(SECRET, "rb") as file:
        secret = file.readline()
    for method in ("GET", "POST", "DELETE", "PATCH"):
        status, answer = client.ask(method, path, b"{}")
        assert status in (400, 404, 405), (method, answer)
        assert secret not in (answer if isinstance(answer, bytes) else json.dumps(answer).encode())


@pytest.mark.parametrize(
    "key", [SECRET, "../../etc/passwd", "file:///etc/passwd", ["x"], {"path": SECRET}, 7, None]
)
def test_no_body_names_a_file(client, key):
    tune = melody(client)
    for asked in (
        order({"clip": key}, tune),
        order({"clip": tune}, key),
        order({"sound": key}, tune),
        order(key, tune),
    ):
        status, answer = client.ask("POST", "/api/swaps", asked)
        assert status == 400 and "root:" not in json.dumps(answer)
    assert client.ask("POST", "/api/lessons", {"clip": key, "name": "x", "seconds": 5})[0] == 400


NAMES = [
    "../../evil.wav",
    "/etc/cron.d/evil",
    "a%00b.wav",
    "..%2f..%2fevil.sound",
    "%0d%0aSet-Cookie:a",
    "a.wav/../b.mid",
]


@pytest.mark.parametrize("name", [*NAMES, "x" * 500])
def test_names_of_uploads_are_only_shown(server, client, name):
    status, clip = client.send(name, tone())
    if status == 400:  # by its name it is a score, which it is not
        assert name.endswith(".mid")
        return
    assert len(clip["name"]) <= 80 and clip["name"].isprintable()
    [visit] = [one for one in server.visits._visits.values() if clip["id"] in one.clips]
    kept = visit.clips[clip["id"]].path
    assert kept.parent == visit.folder and re.fullmatch(r"[0-9a-f]{16}\.flac", kept.name)


def test_a_name_of_spaces_is_none():
    """Regression: it became a point."""
    assert clips.title("  ", "Untitled") == clips.title("", "Untitled") == "Untitled"


# -- uploads


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG", "MP3"])
def test_sound_comes_in(client, kind):
    status, clip = client.send(f"a.{kind.lower()}", tone(2.0, kind=kind))
    assert status == 200 and clip["name"] == f"a.{kind.lower()}" and clip["whole"]
    assert clip["seconds"] == pytest.approx(2.0, abs=0.1) and clip["picture"].startswith("data:image/webp")
    sound = client.get(f"/api/clips/{clip['id']}/sound")
    assert soundfile.info(io.BytesIO(sound)).duration == pytest.approx(clip["seconds"], abs=0.01)
    until(lambda: clip["id"] in client.state.get("heard", []))
    assert all(0 <= place <= 1 for place in client.get(f"/api/clips/{clip['id']}")["place"])


def test_a_score_is_played(client, tmp_path):
    from msdae.symbolic.notes import Score, ScoreNote
    from msdae.symbolic.scores import write_score

    write_score(tmp_path / "a.mid", Score(([ScoreNote(0.5 * n, 0.5, 60 + n) for n in range(8)],)))
    status, clip = client.send("tune.mid", (tmp_path / "a.mid").read_bytes())
    assert status == 200 and clip["score"] and [note[2] for note in clip["notes"]] == list(range(60, 68))
    status, clip = client.send("x" * 90 + ".MID", (tmp_path / "a.mid").read_bytes())
    assert status == 200 and clip["score"] and len(clip["name"]) == 80  # regression: it was no score
    long = Score(([ScoreNote(4.0 * n, 4.0, 60 + n % 9) for n in range(20)],))
    write_score(tmp_path / "b.mid", long)
    cut = client.send("long.mid", (tmp_path / "b.mid").read_bytes())[1]
    assert not cut["whole"] and cut["seconds"] < 7


def test_what_is_too_long_is_cut_and_says_so(client):
    clip = client.send("long.wav", tone(9.0, rate=22050))[1]
    assert clip["seconds"] == 6.0 and not clip["whole"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.wav", b"", "empty"),
        ("a.wav", b"RIFF\x00\x00\x00\x00WAVEfmt ", "a.wav: "),
        ("a.mp3", b"<html>no</html>", "a.mp3: not a readable recording"),
        ("a.mid", b"MThd" + bytes(30), "a.mid: "),
        ("a.mxl", b"PK\x03\x04" + bytes(60), "a.mxl: "),
        ("a.wav", tone(0.01), "lasts 0.01 s"),
    ],
)
def test_bad_files_are_refused_in_plain_words(server, client, name, content, reason):
    status, answer = client.send(name, content)
    assert status == 400 and reason in answer["error"]
    assert str(server.visits.folder) not in answer["error"] and "Traceback" not in answer["error"]


def test_files_that_are_too_large_are_refused_however_they_come(client):
    for body in (bytes(2_100_000), iter([bytes(500_000)] * 5)):
        status, answer = client.send("a.wav", body)
        assert status == 400 and "larger than 2 MB" in answer["error"]


def test_sixty_mutated_files_leave_nothing(server, client):
    rng = random.Random(0)
    seeds = [tone(0.5, kind=kind) for kind in ("WAV", "FLAC", "OGG", "MP3")]
    for number in range(60):
        content = bytearray(seeds[number % 4])
        for _ in range(rng.randrange(1, 30)):
            content[rng.randrange(min(len(content), rng.choice((60, len(content)))))] = rng.randrange(256)
        del content[rng.choice((len(content), rng.randrange(len(content)))) :]
        status, answer = client.send(f"{number}.wav", bytes(content))
        assert status == 200 or (status == 400 and answer["error"]), answer
    [visit] = [one for one in server.visits._visits.values() if one.id == client.visit]
    kept = {clip.path.name for clip in visit.clips.values()}
    assert {path.name for path in visit.folder.iterdir()} == kept


def test_a_visit_keeps_so_many_clips(server, client):
    from msdae.app.visits import MOST_CLIPS

    clips = [client.send("a.wav", tone(0.2))[1]["id"] for _ in range(MOST_CLIPS + 3)]
    assert client.ask("GET", f"/api/clips/{clips[0]}")[0] == 400
    assert client.ask("GET", f"/api/clips/{clips[-1]}")[0] == 200
    assert len(list(server.visits._visits[client.visit].folder.iterdir())) == MOST_CLIPS


def test_of_too_many_clips_those_stay_that_are_in_use(client):
    """Regression: the sources went that every swap was made of."""
    from msdae.app.visits import MOST_CLIPS

    sources = [client.send(f"{name}.wav", tone(0.2))[1]["id"] for name in "ab"]
    other = client.send("c.wav", tone(0.2))[1]["id"]
    assert client.end(client.post("/api/swaps", order({"clip": sources[0]}, sources[1])))["state"] == "done"
    for _ in range(MOST_CLIPS - 3):
        client.send("d.wav", tone(0.2))
    assert [client.ask("GET", f"/api/clips/{key}")[0] for key in (*sources, other)] == [200, 200, 400]


def test_a_full_disk_is_said(client, largest):
    with largest(20_000):
        status, answer = client.send("a.wav", tone(2.0))
    assert status == 400 and re.search("may not grow so large|no space", answer["error"])
    assert client.send("a.wav", tone())[0] == 200


# -- swaps


def test_a_swap_is_as_long_as_its_melody_and_what_the_pipeline_gives(server, client):
    sound, tune = (
        client.send(f"{name}.wav", tone(2.0, pitch))[1]["id"] for name, pitch in (("a", 330), ("b", 220))
    )
    job = client.end(
        client.post(
            "/api/swaps", order({"clip": sound}, tune, strength=0.7, guidance=1.5, seed=3, transpose=5)
        )
    )
    assert job["state"] == "done", job
    clip = client.get(f"/api/clips/{job['result']['clip']}")
    assert clip["name"] == "b.wav – a.wav" and clip["seconds"] == 2.0
    heard = soundfile.read(io.BytesIO(client.get(f"/api/clips/{clip['id']}/sound")))[0]
    from msdae.inference.pipeline import Mix, Pipeline, Sampling

    visit, pipeline = server.visits._visits[client.visit], server.studio.pipeline
    again = Pipeline(pipeline.model, pipeline.codec, Sampling(steps=2, seed=3, guidance=(1.5,), transpose=5))
    expected = again.render(Mix(visit.clips[tune].path, {1: visit.clips[sound].path}, 0.7)).numpy()
    assert abs(heard - expected).max() < 1e-4


def test_three_sources(client):
    ids = [client.send("a.wav", tone(1.0, pitch))[1]["id"] for pitch in (220, 330, 440)]
    asked = order({"clip": ids[0]}, ids[2])
    plain = client.end(client.post("/api/swaps", asked))["result"]["clip"]
    asked["levels"]["2"] = {"clip": ids[1]}
    other = client.end(client.post("/api/swaps", asked))["result"]["clip"]
    assert client.get(f"/api/clips/{plain}/sound") != client.get(f"/api/clips/{other}/sound")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"strength": 2}, "strength: is 2, expected 0 to 1"),
        ({"strength": "1"}, "strength"),
        ({"strength": float("nan")}, "strength"),
        ({"guidance": 1e9}, "guidance"),
        ({"seed": 0.5}, "take"),
        ({"transpose": 37}, "transpose"),
        ({"transpose": 0.5}, "transpose"),
        ({"seed": -1}, "take"),
        ({"levels": {}}, "choose a sound first"),
        ({"levels": {"4": {}}}, "choose a sound first"),
        ({"levels": []}, "choose a sound first"),
        ({"melody": "gone"}, "no longer here"),
    ],
)
def test_bad_orders_are_refused(client, change, reason):
    tune = melody(client)
    status, answer = client.ask("POST", "/api/swaps", {**order({"clip": tune}, tune), **change})
    assert status == 400 and reason in answer["error"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b"[" * 60_000, b" " * 70_000])
def test_what_is_no_json_object_is_refused(client, body):
    assert client.ask("POST", "/api/swaps", body)[0] == 400


def test_a_tune_is_composed(client):
    job = client.end(client.post("/api/tunes", {"bars": 2, "seed": 1}))
    clip = client.get(f"/api/clips/{job['result']['clip']}")
    assert clip["score"] and clip["notes"] and client.get(f"/api/clips/{clip['id']}/midi").startswith(b"MThd")
    assert clip["seconds"] > max(note[1] for note in clip["notes"]) > 3.5  # longer than a block of samples
    assert client.ask("POST", "/api/tunes", {"bars": 1000, "seed": 1})[0] == 400


# -- the queue


def busy(server, client, seconds=5):
    """A job that runs, and what it was begun with."""
    clip = client.get("/api/examples")["sounds"][0]["id"]
    begun = client.post("/api/lessons", {"clip": clip, "name": "long", "seconds": seconds})
    until(lambda: (job := client.job(begun["job"])) and job["state"] == "running" and job["share"] > 0)
    return begun, clip


def test_places_are_told_and_jobs_end_when_they_are_not_wanted(server, client):
    running, clip = busy(server, client, 60)
    waiting = [client.post("/api/swaps", order({"clip": clip}, clip)) for _ in range(3)]
    until(lambda: all(client.job(one["job"]) for one in waiting))
    jobs = [client.job(one["job"]) for one in waiting]
    assert [job["place"] for job in jobs] == [1, 2, 3] and all(job["left"] > 0 for job in jobs)
    status, answer = client.ask("POST", "/api/swaps", order({"clip": clip}, clip))
    assert status == 400 and "3 of your jobs wait already" in answer["error"]
    with visitor(server) as other:
        theirs = other.post("/api/swaps", order({"clip": clip}, clip))
        until(lambda: other.job(theirs["job"]))
        assert other.job(theirs["job"])["place"] == 4
        other.ask("DELETE", f"/api/jobs/{waiting[0]['job']}")  # of another visitor
        client.ask("DELETE", f"/api/jobs/{waiting[1]['job']}")
        assert client.end(waiting[1])["state"] == "stopped"
        assert client.job(waiting[0]["job"])["state"] == "waiting"
        client.ask("DELETE", f"/api/jobs/{running['job']}")
        assert client.end(running)["state"] == "stopped"
        assert {client.end(waiting[0])["state"], client.end(waiting[2])["state"]} == {"done"}
        assert other.end(theirs)["state"] == "done"
    assert client.get("/api/sounds")["sounds"] == []


def test_a_visitor_who_leaves_ends_their_jobs_and_their_files_go(server, monkeypatch):
    from msdae.app import visits

    monkeypatch.setattr(visits, "GRACE", 0.5)
    monkeypatch.setattr(visits, "PATIENCE", 0.5)
    monkeypatch.setattr(visits, "KEEP", 1.5)
    with visitor(server) as client:
        client.send("a.wav", tone())
        busy(server, client, 60)
        visit = server.visits._visits[client.visit]
        [job] = [job for job in visit.jobs.values() if job.kind == "learn"]
    until(lambda: job.ended, 30)
    assert job.state == "stopped"
    until(lambda: not visit.folder.exists(), 30)
    assert client.ask("GET", "/api/examples") == (410, {"error": "this visit has ended; load the page again"})


# -- the library


def test_a_sound_is_learnt_kept_used_and_goes(server, client, tmp_path):
    clip = client.send("a.wav", tone(3.0))[1]["id"]
    job = client.end(client.post("/api/lessons", {"clip": clip, "name": " My\n sound ", "seconds": 5}))
    assert job["state"] == "done", job
    key = job["result"]["sound"]
    [entry] = client.get("/api/sounds")["sounds"]
    assert (entry["id"], entry["name"], entry["usable"]) == (key, "My sound", True) and entry["steps"] >= 10
    assert client.get(f"/api/sounds/{key}")["seconds"] > 3
    assert soundfile.info(io.BytesIO(client.get(f"/api/sounds/{key}/preview"))).duration > 3
    file = client.get(f"/api/sounds/{key}/file")
    (tmp_path / "a.sound").write_bytes(file)
    server.studio.pipeline.load_sound(tmp_path / "a.sound")
    assert client.ask("PATCH", f"/api/sounds/{key}", {"name": "Other"})[0] == 200
    second = client.end(client.post("/api/sounds?name=back.sound", file))["result"]["sound"]
    assert [one["name"] for one in client.get("/api/sounds")["sounds"]] == ["back", "Other"]
    assert len([point for point in client.get("/api/map")["points"] if "sound" in point]) == 2
    blend = {"sound": key, "second": second, "share": 0.5}
    assert client.end(client.post("/api/swaps", order(blend, clip)))["state"] == "done"
    status, answer = client.ask("POST", "/api/swaps", order(blend, clip) | {"levels": {"2": blend}})
    assert status == 400 and "level 1 only" in answer["error"]
    for one in (key, second):
        assert client.ask("DELETE", f"/api/sounds/{one}")[0] == 200
    assert client.get("/api/sounds")["sounds"] == [] and list(server.studio.library.folder.iterdir()) == []
    assert client.ask("DELETE", f"/api/sounds/{key}")[0] == 400


def test_a_file_that_is_no_sound_is_refused(client):
    """Regression: it was called by the name of the server's file."""
    job = client.end(client.post("/api/sounds?name=my%20horn.wav", tone()))
    assert job["state"] == "failed" and job["text"].startswith("my horn.wav: ")


def test_a_full_disk_in_learning_leaves_the_library_as_it_was(server, client, largest):
    clip = client.send("a.wav", tone(2.0))[1]["id"]
    with largest(20_000):
        job = client.end(client.post("/api/lessons", {"clip": clip, "name": "x", "seconds": 5}))
    assert job["state"] == "failed" and "may not grow so large" in job["text"]
    assert client.get("/api/sounds")["sounds"] == []
    folder = server.studio.library.folder
    assert not folder.exists() or os.listdir(folder) == []


def test_an_error_of_the_disk_is_said_without_the_servers_folders(server, client, monkeypatch, caplog):
    folder = server.studio.library.folder

    def fails():
        raise PermissionError(13, "Permission denied", str(folder / "0123456789abcdef"))

    monkeypatch.setattr(server.studio.library, "entries", fails)
    status, answer = client.ask("GET", "/api/sounds")
    assert status == 400 and answer["error"].startswith("0123456789abcdef: permission denied")
    assert str(folder) in caplog.text


# -- what is known


def test_the_model_is_described(server, client):
    about = client.get("/api/about")
    assert about["fingerprint"] == server.studio.pipeline.fingerprint and about["codec"]


def test_reports_are_found_and_stand_apart(serve, tmp_path):
    (tmp_path / "runs" / "evaluate").mkdir(parents=True)
    (tmp_path / "runs" / "evaluate" / "report.html").write_text("<script>1</script>")
    with serve(tmp_path / "sounds", reports=(tmp_path / "runs",)) as running, visitor(running) as client:
        assert client.get("/api/bench") == {"reports": ["evaluate"]}
        assert client.get("/bench/0") == b"<script>1</script>"
        assert client.headers["content-security-policy"].startswith(
            "sandbox allow-scripts; default-src 'none'"
        )
        assert client.ask("GET", "/bench/1")[0] == 404


def test_a_model_that_cannot_be_loaded_is_said(serve, tmp_path, checkpoint):
    whole = checkpoint.read_bytes()
    try:
        checkpoint.write_bytes(whole[:1000])
        with serve(tmp_path / "sounds") as running, visitor(running) as client:
            until(lambda: client.state.get("failed"))
            assert "tiny.safetensors" in client.state["failed"] and not client.state["ready"]
    finally:
        checkpoint.write_bytes(whole)
