"""The page of a results folder: complete, self-contained, safe, and refused where the folder is not whole."""

import json
import os
import shutil
import subprocess
from base64 import b64decode
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from msdae import audio
from msdae.commands import report as command
from msdae.errors import UserError
from msdae.evaluation import media, tables
from msdae.evaluation.swapbench import chart, report
from msdae.evaluation.swapbench.cases import Case, Performance, to_json
from msdae.evaluation.swapbench.results import Results
from msdae.evaluation.swapbench.scores import F1, PITCH, TIMBRE, TOP1
from msdae.evaluation.swapbench.sounds import play
from msdae.evaluation.swapbench.systems import Output
from msdae.evaluation.swapbench.tables import (
    LEVELS,
    MELODY_SHARE,
    PART,
    SWAP_SCORE,
    SYSTEM,
    TIMBRE_SHARE,
)
from msdae.evaluation.tables import Table, Value

SWAPS = ("1", "2", "3", "1,2", "2,3")
SHARES = ("output", SYSTEM, PART, LEVELS, SWAP_SCORE, MELODY_SHARE, TIMBRE_SHARE)
NASTY = 'Bach <script>alert("x")</script> & "sons"'
WIDE = ("output", "melody F1 ↑", "melody F1 100 ms ↑", "melody F1 heard ↑", "pitch accuracy ↑")
WIDE += ("timbre similarity ↑", "timbre top-1 ↑", "log-mel dB ↓", "mel SSIM ↑", "mel MSE ↓", "swap score ↑")
MODELS = ("embedded", '<b> & "c"')


def make_results(folder, models=("embedded",), cases=2, swaps=("1", "1,2"), seed=0):
    """A results folder of the benchmark's layout with rendered sound and invented scores."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    outputs = [(row, "") for row in ("truth", "copy melody source", "copy timbre source", "codec")]
    outputs += [(model, levels) for model in models for levels in ("", *swaps)]
    records, scores = [], []
    for number in range(2 * cases):
        kind, split = ("melodies", "notes")[number % 2], ("test", "unseen")[number // 2 % 2]
        texture = "monophonic" if kind == "melodies" else "note"
        notes, lower = (((0.2, 1.0, pitch, 90), (1.0, 2.5, pitch + 4, 90)) for pitch in (60, 55))
        timbre = Performance("Vibraphone", 11, "TimGM6mb.sf2", NASTY, lower)
        melody = Performance("Flute", 73, "TimGM6mb.sf2", "bwv1", notes)
        case = Case(f"{split}-{kind}-{number}", kind, texture, split, timbre, melody)
        records.append(case)
        if number < cases:
            _make_sounds(folder / "audio" / case.id, case, outputs, rng)
        for row, levels in outputs:
            tune, sound = (share + 0.1 * rng.random() for share in _shares(row, levels))
            metrics = {F1: tune, TOP1: sound, TIMBRE: sound} | ({PITCH: tune} if kind == "notes" else {})
            scores.append({"case": case.id, "row": row, "levels": levels, **metrics})
    manifest = {
        "date": "2026-01-02",
        "seed": seed,
        "codec": {"name": "spectral", "fingerprint": "cd34" * 16},
        "settings": {"sampling": {"steps": 20, "sampler": "dpmpp_2m"}, "report cases": cases},
        "checkpoints": {
            model: {"path": f"{model}.safetensors", "hash": "ab12" * 16, "model": "msdae", "steps": 11000}
            for model in models
        },
    }
    rows = ["copy melody source", *(f"{model}, reconstruction" for model in models), "embedded {1,2}"]
    table = Table("A table", WIDE, tuple((row, *[Value(0.5, 0.4, 0.6)] * 10) for row in rows), "n", "c")
    tables.write(folder / "tables.json", [table])
    for name, text in {
        "manifest.json": json.dumps(manifest),
        "cases.jsonl": "".join(json.dumps(to_json(case)) + "\n" for case in records),
        "scores.jsonl": "".join(json.dumps(score) + "\n" for score in scores),
    }.items():
        (folder / name).write_text(text)
    return folder


def _shares(row, levels):
    """Melody and timbre that a row could have."""
    if not levels:
        return {
            "truth": (0.9, 0.9),
            "copy melody source": (0.8, 0),
            "copy timbre source": (0, 0.9),
            "codec": (0.7, 0.8),
        }.get(row, (0.5, 0.6))
    taken = {"1": 0.2, "2": 0.4, "3": 0.4}
    share = sum(taken[level] for level in levels.split(","))
    return 0.6 * (1 - share), 0.7 * share


def _make_sounds(folder, case, outputs, rng):
    folder.mkdir(parents=True)
    for role in ("timbre", "melody", "truth"):
        audio.write(folder / f"{role}.wav", play(getattr(case, role)), subtype="PCM_16")
    truth = audio.read(folder / "truth.wav")
    for row, levels in outputs[3:]:
        noise = torch.from_numpy(rng.normal(size=len(truth)).astype("float32"))
        audio.write(folder / f"{f'{row} {levels}'.strip()}.wav", truth + 0.003 * noise)


class Page(HTMLParser):
    """Attributes of every tag, the text, and the tags that were not closed."""

    VOID = ("meta", "img", "link", "br")

    def __init__(self, text):
        super().__init__()
        self.tags, self.words, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self):
        return " ".join(" ".join(self.words).split())


def data(address):
    return BytesIO(b64decode(address.partition("base64,")[2]))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("report") / "results", models=MODELS)


@pytest.fixture(scope="module")
def page(results):
    return Page(report.write(results).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("report") / "small", cases=1)


@pytest.fixture
def copy(small, tmp_path):
    """A small results folder of the test's own, in another place."""
    return Path(shutil.copytree(small, tmp_path / "results"))


def test_the_page_is_whole_and_asks_for_nothing(page):
    assert page.open == []
    assert dict(page.all("html")[0])["lang"] == "en-GB"
    addresses = [a[name] for _, a in page.tags for name in ("src", "href") if name in a]
    assert addresses and all(address.startswith(("data:", "#")) for address in addresses)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["href"] for a in page.all("a")} <= {f"#{name}" for name in ids}


def test_every_clip_can_be_seen_and_heard(results, page):
    sounds, pictures = page.all("audio"), page.all("img")
    clips = [picture for picture in pictures if picture["alt"].startswith("Log-mel")]
    assert len(sounds) == len(clips) == 2 * (3 + 1 + 2 * 3)  # cases x (sources, codec, models x outputs)
    assert all(picture["alt"] for picture in pictures)
    assert all("controls" in sound and sound["aria-label"] for sound in sounds)
    waveform, rate = soundfile.read(data(sounds[2]["src"]))  # the truth of the first case
    assert rate == audio.SAMPLE_RATE and waveform.ndim == 1
    truth = audio.read(results / "audio" / "test-melodies-0" / "truth.wav").numpy()
    assert np.corrcoef(waveform, truth)[0, 1] > 0.99
    assert Image.open(data(clips[0]["src"])).size == media.SPECTROGRAM


def test_names_are_text_and_never_markup(page):
    assert NASTY in page.text() and f"{MODELS[1]} {{1}}" in page.text()
    assert len(page.all("script")) == 1


def test_the_page_says_what_was_scored(page):
    words = page.text()
    assert "date 2026-01-02 seed 0 codec spectral sampling 20 steps, dpmpp_2m" in words
    assert "test split monophonic 1, note 1" in words and "ab12ab12ab12" in words
    assert "Flute \u2192 Vibraphone" in words and "swap: embedded {1}" in words


def test_sound_comes_first_and_the_swap_stands_beside_the_truth(results, page):
    words = page.text()
    headings = ["Cases to hear", "Swap score To the right", "Tables Intervals"]
    assert [words.index(heading) for heading in headings] == sorted(map(words.index, headings))
    names = [picture["alt"].split(": ", 1)[1].split(" of ")[0] for picture in page.all("img")[:4]]
    assert names == ["timbre source", "melody source", "truth", "swap: embedded {1}"]


def test_spectrograms_have_axes_in_hertz_and_seconds(page):
    first = page.text().split("1. Flute")[1].split("timbre source", 3)[2]
    for mark in ("300 Hz", "1 kHz", "10 kHz", "0", "2 s"):
        assert mark in first


def test_shares_and_scores_of_the_picture_are_those_of_the_cases(results, page):
    lines = [json.loads(line) for line in (results / "scores.jsonl").read_text().splitlines()]
    means = {
        (row, metric): np.mean(
            [
                line[metric]
                for line in lines
                if line["row"] == row and line["case"].startswith("test-melodies")
            ]
        )
        for row in ("codec", "copy melody source")
        for metric in (F1, TOP1)
    }
    melody = min(1, means["copy melody source", F1] / means["codec", F1])
    timbre = means["copy melody source", TOP1] / means["codec", TOP1]
    score = 2 * melody * timbre / (melody + timbre)
    row = " ".join(f"{share:.3f}" for share in (score, melody, timbre))  # of one piece: without intervals
    assert f"copy melody source {row}" in page.text()
    assert "codec 1.000 1.000 1.000" in page.text()


def test_equal_results_give_equal_pages_wherever_they_are(small, copy):
    first, second = report.write(small), report.write(copy)
    assert second == copy / "report.html"
    assert first.read_bytes() == second.read_bytes()


def test_a_checkpoint_whose_name_is_no_utf8_is_shown_escaped(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["checkpoints"]["embedded"]["path"] = os.fsdecode(b"m\xe9.safetensors")
    (copy / "manifest.json").write_text(json.dumps(manifest))
    assert r"m\udce9.safetensors" in report.write(copy).read_text("utf-8")


def test_figures_and_more_tables(small, tmp_path):
    Image.new("RGB", (2000, 500), "white").save(tmp_path / "umap-notes.png")
    probes = Table("Table 2", ("code", "pitch"), (("h1", Value(1, 0, 1, 0)),))
    tables.write(tmp_path / "tables.json", [probes])
    path = report.write(small, [tmp_path / "umap-notes.png"], [tmp_path / "tables.json"])
    made = Page(path.read_text())
    figure = next(image for image in made.all("img") if image["alt"] == "umap-notes")
    assert Image.open(data(figure["src"])).size == (1400, 350)
    assert "Table 2 code pitch h1 1 [0, 1]" in made.text()


def test_another_system_is_an_answer(copy):
    """Its output has no levels, as a reconstruction has none, but it is no checkpoint."""
    lines = (copy / "scores.jsonl").read_text().splitlines()
    other = [{**json.loads(line), "row": "other"} for line in lines if json.loads(line)["row"] == "codec"]
    (copy / "scores.jsonl").write_text("\n".join([*lines, *map(json.dumps, other)]) + "\n")
    for folder in (copy / "audio").iterdir():
        shutil.copy(folder / "codec.wav", folder / "other.wav")
    made = Page(report.write(copy).read_text())
    card = made.text().split("1. Flute")[1]
    assert card.index("other") < card.index("Other outputs")


def test_no_cases_to_hear(copy):
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"]["report cases"] = 0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    shutil.rmtree(copy / "audio")
    assert "Cases to hear" not in Page(report.write(copy).read_text()).text()


def _cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def _drop_last_line(path):
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")


def _rename_metric(path):
    path.write_text(path.read_text().replace(TOP1, "top-1"))


def _replace(old, new):
    def change(path):
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def _lose(name):
    def change(path):
        manifest = json.loads(path.read_text())
        del manifest[name]
        path.write_text(json.dumps(manifest))

    return change


@pytest.mark.parametrize(
    "name, change, reason",
    [
        ("manifest.json", Path.unlink, "manifest.json: is missing"),
        ("manifest.json", _lose("seed"), "manifest.json: damaged.*seed"),
        ("manifest.json", _lose("settings"), "settings"),
        ("manifest.json", lambda path: path.write_text("[]"), "manifest.json: expected names with values"),
        ("manifest.json", lambda path: path.write_bytes(b"\xff"), "manifest.json: damaged"),
        ("manifest.json", _replace('"report cases": 1', '"report cases": "x"'), "manifest.json: damaged"),
        ("manifest.json", _replace('"hash": "', '"hash": 1, "h": "'), "manifest.json: damaged"),
        ("cases.jsonl", _replace('"notes"', '"note"'), "cases.jsonl, line 1: damaged.*notes"),
        ("cases.jsonl", _replace("0.2, 1.0, 60, 90", '"a", 1, 60'), "cases.jsonl, line 1: damaged"),
        ("cases.jsonl", _replace('"set": "melodies"', '"set": 1'), "cases.jsonl, line 1: damaged"),
        ("scores.jsonl", _replace('"levels": ""', '"levels": []'), "scores.jsonl, line 1: damaged"),
        ("scores.jsonl", _replace('"melody F1": 0', '"melody F1": "x", "y": 0'), "scores.jsonl, line 1: d"),
        ("cases.jsonl", _cut, "cases.jsonl, line 2: damaged"),
        ("scores.jsonl", _cut, r"scores.jsonl, line \d+: damaged"),
        ("scores.jsonl", _rename_metric, "has no scores of test-melodies-0"),
        ("tables.json", Path.unlink, "tables.json: is missing"),
        ("tables.json", lambda path: path.write_text("[]"), "tables.json: is empty"),
        ("cases.jsonl", lambda path: path.write_text(""), "cases.jsonl: is empty"),
        ("cases.jsonl", lambda path: path.write_text("null"), "line 1: damaged .a value of another type"),
        ("scores.jsonl", _replace('"melody F1": 0', '"melody F1": NaN, "y": 0'), "is no number"),
        ("manifest.json", _replace('"checkpoints": {', '"checkpoints": 7, "x": {'), "another type"),
        ("audio", shutil.rmtree, "audio: has the sound of 0 cases instead of 1"),
        ("audio/test-melodies-0/truth.wav", Path.unlink, "truth.wav: is missing"),
        ("audio/test-melodies-0/embedded 1.wav", Path.unlink, "embedded 1.wav: is missing"),
    ],
)
def test_what_is_unfinished_or_damaged_is_named_with_its_remedy(copy, name, change, reason):
    change(copy / name)
    with pytest.raises(UserError, match=f"{reason}.*run python experiments/evaluate.py --out {copy} again"):
        report.write(copy)


def test_what_a_stopped_run_has_not_scored_is_left_out(copy):
    before = Results.read(copy).outputs
    _drop_last_line(copy / "scores.jsonl")
    assert set(before) - set(Results.read(copy).outputs) == {Output("embedded", "1,2")}
    assert report.write(copy).is_file()


def test_a_sound_that_links_to_itself_is_missing(copy):
    path = copy / "audio" / "test-melodies-0" / "truth.wav"
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(UserError, match="truth.wav: is missing"):
        report.write(copy)


def test_nothing_outside_the_folder_is_read(copy):
    (copy / "audio" / "test-melodies-0" / "truth.wav").replace(copy.parent / "truth.wav")
    (copy / "audio" / "test-melodies-0" / "truth.wav").symlink_to(copy.parent / "truth.wav")
    with pytest.raises(UserError, match="outside the results folder"):
        report.write(copy)


CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--virtual-time-budget=2000",
    "--enable-logging=stderr",
    "--dump-dom",
]
PLAY_TWO = """
<script>
addEventListener("error", (event) => console.error(event.message));
const sounds = [...document.querySelectorAll("audio")];
const tell = () => document.body.append(" playing:" + sounds.flatMap((s, i) => (s.paused ? [] : [i])) + ";");
for (const [turn, button] of document.querySelectorAll(".play").entries())
  if (turn < 2) setTimeout(() => { button.click(); setTimeout(tell, 200); }, 500 * turn);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
def test_one_clip_plays_at_a_time_in_a_browser(small, tmp_path):
    page = report.write(small).read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(page.replace("</body>", PLAY_TWO + "</body>"), encoding="utf-8")
    line = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"file://{tmp_path / 'page.html'}"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert "playing:0; playing:1;" in done.stdout
    assert "CONSOLE" not in done.stderr


CUT = """
<script>
const cut = [...document.querySelectorAll(".scroll")].filter((e) => e.scrollWidth > e.clientWidth);
const row = [...document.querySelector(".clips").querySelectorAll(".clip")].map((e) => e.offsetTop);
const first = document.querySelector(".clip").getBoundingClientRect().top;
const wide = document.documentElement.scrollWidth > innerWidth;
document.body.append(` width:${innerWidth} cut:${cut.length} rows:${new Set(row).size};`);
document.body.append(` sideways:${wide} first on the screen:${first < innerHeight};`);
</script>
"""


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium")
@pytest.mark.parametrize(("width", "rows"), [(1440, 1), (1024, 2), (500, 4)])
def test_no_column_is_cut_and_a_case_is_one_row_on_a_laptop(small, tmp_path, width, rows):
    page = report.write(small).read_text(encoding="utf-8")
    (tmp_path / "page.html").write_text(page.replace("</body>", CUT + "</body>"), encoding="utf-8")
    line = [CHROMIUM, *FLAGS, f"--window-size={width},900", f"--user-data-dir={tmp_path / 'profile'}"]
    line.append(f"file://{tmp_path / 'page.html'}")
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert f"rows:{rows}; sideways:false first on the screen:true;" in done.stdout
    if width == 1440:
        assert "width:1440 cut:0" in done.stdout


def test_command(small, tmp_path, capsys):
    command.main([str(small)])
    assert capsys.readouterr().out.strip() == str(small / "report.html")
    with pytest.raises(UserError, match="name one file"):
        command.main([str(small), "--figure", str(small / "a.svg"), "--case", str(small / "a.svg")])
    with pytest.raises(UserError, match="plot_umap.py"):
        command.main([str(small), "--umap", str(tmp_path)])


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n" + bytes(50)])
def test_a_picture_that_is_none_is_named(tmp_path, content):
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(UserError, match="a.png: "):
        media.picture(tmp_path / "a.png")


def test_a_picture_too_large_to_open_is_named(tmp_path, monkeypatch):
    Image.new("1", (100, 100)).save(tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(UserError, match="a.png: damaged .*exceeds limit"):
        media.picture(tmp_path / "a.png")


def test_bit_rate_falls_so_that_the_page_stays_small():
    clip = 131072
    assert media.bit_rate(12 * 22 * clip) == 96
    for clips in (300, 500):
        size = clips * len(media.mp3(torch.zeros(clip), media.bit_rate(clips * clip)))
        assert 0.4 * media.SOUND_BYTES < size < 1.05 * media.SOUND_BYTES


def test_a_spectrogram_has_low_bands_below_and_the_scale_it_is_given():
    mel = np.zeros((128, 512))
    mel[:16] = 2.0
    pixels = np.asarray(Image.open(data(media.spectrogram(mel, 2.0))).convert("L"), dtype=float)
    assert pixels[-1].mean() > 200 and pixels[0].mean() < 20
    half = np.asarray(Image.open(data(media.spectrogram(mel, 4.0))).convert("L"), dtype=float)
    assert half[-1].mean() < 0.7 * pixels[-1].mean()


def test_the_swap_scores_are_drawn_with_a_mark_and_a_label_for_every_row(results, tmp_path):
    drawn = report.write_scores(results, tmp_path / "scores.svg")
    root = ElementTree.fromstring(drawn.read_text())
    texts = {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}
    assert set(Results.read(results).systems) | {"1,2", "copy timbre", "codec", "all"} <= texts
    assert {"Swap scores, test split: melodies"} <= texts
    before = drawn.read_bytes()
    assert report.write_scores(results, tmp_path / "again.svg").read_bytes() == before
    with pytest.raises(UserError, match="choose one of these"):
        report.write_scores(results, tmp_path / "scores.txt")


def test_labels_of_marks_that_lie_together_do_not_cover_each_other():
    part = {"answer": "1", "bound": ""}
    rows = [
        (f"{name} {i}", f"label {i}", name, "", *(Value(x) for x in (0.5, 0.5, 0.5 + i / 400)))
        for i, name in enumerate([*part] * 2)
    ]
    table = Table("T", SHARES, tuple(rows))
    figure = chart.swap_scores([table])
    boxes = [label.get_window_extent() for label in figure.axes[0].texts if label.get_text()[:5] == "label"]
    assert len(boxes) == 4
    for number, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[number + 1 :])
    places = {tuple(line.get_xydata()[0]) for line in figure.axes[0].lines if len(line.get_xydata()) == 1}
    assert places == {(0.5, 0.5 + i / 400) for i in range(4)}


def test_a_case_is_drawn_as_spectrograms(small, tmp_path):
    drawn = report.write_case(small, tmp_path / "case.svg")
    texts = {
        element.text
        for element in ElementTree.fromstring(drawn.read_text()).iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"timbre source: Vibraphone", "melody source: Flute", "truth", "swap: embedded {1}"} <= texts
    assert {"Hz", "seconds", "1 000"} <= texts
    with pytest.raises(UserError, match=f"case 2: {small} has the sound of 1 case; choose one of 1 to 1"):
        report.write_case(small, tmp_path / "case.svg", 2)


def test_without_sound_no_case_is_drawn(copy, tmp_path):
    shutil.rmtree(copy / "audio")
    manifest = json.loads((copy / "manifest.json").read_text())
    manifest["settings"]["report cases"] = 0
    (copy / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="has the sound of 0 cases; evaluate with --report-cases"):
        report.write_case(copy, tmp_path / "case.svg")
