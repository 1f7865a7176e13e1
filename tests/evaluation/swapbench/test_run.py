"""SwapBench from end to end, export and their command lines, on a tiny model and a few rendered cases."""

import dataclasses
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from msdae import audio, codecs
from msdae.commands import export
from msdae.errors import UserError
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES
from msdae.evaluation.swapbench.run import EvaluationConfig, evaluate, load, shared_codec
from msdae.inference.pipeline import Sampling
from msdae.models.autoencoder import Autoencoder
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE

pytestmark = pytest.mark.usefixtures("few_references")
ROOT = Path(__file__).parents[3]
FEW = EvaluationConfig(splits=("unseen",), cases=3, sampling=Sampling(steps=2), report_cases=1)
FEW_OPTIONS = ["--split", "unseen", "--cases", 3, "--steps", 2, "--report-cases", 1, "--device", "cpu"]


def run(monkeypatch, *options):
    monkeypatch.setattr(sys, "argv", ["evaluate.py", *map(str, options)])
    runpy.run_path(str(ROOT / "experiments" / "evaluate.py"), run_name="__main__")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    codec = CodecConfig(fingerprint=codecs.load(codecs.DEFAULT).fingerprint)
    return MSDAE(ModelConfig(widths=(16,) * 6, encoder_widths=(4, 8), codec=codec), stage=2).eval()


@pytest.fixture(scope="module")
def checkpoint(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    model.save(path)
    return path


@pytest.fixture(scope="module")
def whole(few_references, checkpoint, tmp_path_factory):
    """The folder and tables of a run that was not stopped."""
    folder = tmp_path_factory.mktemp("whole")
    return folder, evaluate({"tiny": checkpoint}, folder, FEW)[1]


def test_every_row_is_scored_on_every_case(whole):
    folder, tables = whole
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["splits"] == {"unseen": {"monophonic": 1, "two voices": 1, "polyphonic": 1, "note": 1}}
    assert manifest["checkpoints"]["tiny"].keys() == {"path", "hash", "model", "steps"}
    lines = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    rows = {(line["row"], line["levels"]) for line in lines}
    swaps = {("tiny", levels) for levels in ("", "1", "2")}
    bounds = {(row, "") for row in ("truth", "copy melody source", "copy timbre source", "codec")}
    untaught = {("nearest neighbours", ""), ("equaliser", "")}
    assert rows == swaps | bounds | untaught and len(lines) == 4 * len(rows)
    assert [table.title.split(":")[0] for table in tables[:4]] == [
        "SwapBench, unseen split",
        "Table 1",
        "Table 1",
        "Table 4",
    ]


def test_the_sound_of_report_cases_is_kept(whole):
    (folder,) = (whole[0] / "audio").iterdir()
    names = {path.stem for path in folder.iterdir()}
    assert {"timbre", "melody", "truth", "codec", "tiny", "tiny 1", "tiny 2"} <= names
    assert len(audio.read(folder / "tiny 1.wav")) == CLIP_SAMPLES


def test_a_killed_run_continues_and_gives_the_same_tables(whole, checkpoint, tmp_path):
    line = ["experiments/evaluate.py", *FEW_OPTIONS, "--checkpoint", f"tiny={checkpoint}", "--out", tmp_path]
    few = tmp_path / "few_references.py"
    few.write_text("from msdae.evaluation.swapbench import cases\n\ncases.REFERENCES = 1\n")
    process = subprocess.Popen(
        [sys.executable, *map(str, line)],
        cwd=ROOT,
        env=os.environ | {"MSDAE_IMPORT": str(few)},
        stderr=subprocess.DEVNULL,
    )
    scores = tmp_path / "scores.jsonl"
    while process.poll() is None and not (scores.exists() and scores.read_text().count("tiny") >= 4):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert scores.exists(), "ended before it scored anything"
    done = len(scores.read_text().splitlines())
    assert 0 < done < len((whole[0] / "scores.jsonl").read_text().splitlines())
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)  # another number of workers changes nothing
    try:
        assert evaluate({"tiny": checkpoint}, tmp_path, FEW)[1] == whole[1]
    finally:
        torch.set_num_threads(threads)
    assert (tmp_path / "scores.jsonl").read_text() == (whole[0] / "scores.jsonl").read_text()


def test_the_command_continues_adds_rows_and_makes_the_page(whole, tmp_path, monkeypatch, capsys):
    folder, _ = whole
    run(monkeypatch, *FEW_OPTIONS, "--sources", tmp_path / "sources")
    assert "4 cases" in capsys.readouterr().out
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    for case in (tmp_path / "sources").iterdir():
        (case / "melody.wav").rename(theirs / f"{case.name}.wav")
    run(monkeypatch, *FEW_OPTIONS, "--checkpoint", "--outputs", f"theirs={theirs}", "--out", folder)
    table = capsys.readouterr().out.split("\n\n")[1]
    shown = {line[:25].strip(): line[25:].split() for line in table.splitlines()}
    assert shown["theirs"][0] == shown["copy melody source"][0] and "tiny {1}" in table
    assert (folder / "report.html").stat().st_size > 10_000


def test_another_seed_is_refused(whole, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *FEW_OPTIONS, "--checkpoint", "--out", whole[0], "--seed", 1)
    assert end.value.code == 2 and "another seed" in capsys.readouterr().err


def test_a_model_of_another_codec_is_refused(model, tmp_path):
    other = dataclasses.replace(model.config, codec=dataclasses.replace(model.config.codec, fingerprint="0"))
    MSDAE(other).save(tmp_path / "a.safetensors")
    with pytest.raises(UserError, match="is not the one that the model was trained on.*--codec"):
        evaluate({"a": tmp_path / "a.safetensors"}, tmp_path / "out", FEW)


def test_models_of_two_codecs_are_refused(checkpoint, tmp_path):
    other = codecs.load("spectral")
    config = ModelConfig(widths=(16, 16, 24), hidden=16, codec=CodecConfig("spectral", "", other.fingerprint))
    MSDAE(config).save(tmp_path / "b.safetensors")
    with pytest.raises(UserError, match="b: trained on codec 'spectral', a on .* one codec together"):
        evaluate({"a": checkpoint, "b": tmp_path / "b.safetensors"}, tmp_path / "out", FEW)


def test_models_of_two_decoders_are_refused(checkpoint, tmp_path):
    """Regression: the swap scores of both were shares of what the decoder of the first one reaches."""
    shutil.copy(checkpoint, tmp_path / "model.safetensors")
    codec = codecs.load(codecs.DEFAULT)
    for parameter in codec.frame.parameters():
        parameter.data *= 1.01
    codec.save(tmp_path / "codec.safetensors")
    assert codecs.load(tmp_path / "codec.safetensors").fingerprint == codec.fingerprint
    models = {"a": checkpoint, "b": tmp_path}
    with pytest.raises(
        UserError, match="b: has another decoder of codec 'spectral-neural' than a; .*--codec"
    ):
        evaluate(models, tmp_path / "out", FEW)
    pipelines = load(models, torch.device("cpu"), Sampling(), codecs.DEFAULT)
    assert shared_codec(pipelines, codecs.DEFAULT, torch.device("cpu")).identity != codec.identity


def test_prepared_recordings_make_the_tables_of_the_thesis(checkpoint, tiny, tmp_path):
    settings = dataclasses.replace(FEW, splits=(), cases=1, data=tiny / "test")
    short, tables = evaluate({"tiny": checkpoint}, tmp_path, settings)
    assert short == tables and [table.title[:7] for table in tables] == [
        "Table 1",
        "Table 1",
        "Table 4",
    ]  # one piece only
    for table in tables[1:]:  # the first is the thesis's own
        assert any(name.startswith("tiny") for name, *_ in table.rows)
    assert json.loads((tmp_path / "tables.json").read_text())


def test_recordings_are_looked_at_before_any_work(tmp_path):
    with pytest.raises(UserError, match="nowhere: not a prepared data set"):
        evaluate({}, tmp_path / "out", dataclasses.replace(FEW, data=tmp_path / "nowhere"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cases": 10**12}, "cases: is 1000000000000, expected 1 to 10 000 .more would take days"),
        ({"report_cases": -1}, "report_cases: is -1"),
        ({"seed": -1}, "seed: is -1"),
        ({"splits": ("test", "test")}, "name each once"),
    ],
)
def test_what_would_never_end_is_refused(change, message):
    """Fault F12."""
    with pytest.raises(UserError, match=message):
        EvaluationConfig(**change)


def test_outputs_are_checked_before_any_work(tmp_path, monkeypatch, capsys):
    (tmp_path / "tables.md").mkdir()
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *FEW_OPTIONS, "--checkpoint", "none.safetensors", "--out", tmp_path)
    assert end.value.code == 2 and "tables.md: is a folder" in capsys.readouterr().err


def test_rows_are_not_called_like_the_bounds(tmp_path, monkeypatch, capsys):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *FEW_OPTIONS, "--checkpoint", "codec=a", "--out", tmp_path)
    assert end.value.code == 2 and "NAME=a" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tiny {1}", "tiny 1", "tiny, reconstruction"])
def test_rows_are_not_called_like_those_of_a_models_levels(tmp_path, monkeypatch, capsys, name):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, *FEW_OPTIONS, "--checkpoint", "--outputs", f"{name}=a", "--out", tmp_path)
    assert end.value.code == 2 and f"'{name}': a model's own rows are called so" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["tiny 1", "timbre", "theirs"])
def test_names_are_checked_before_the_folder_is_made(tmp_path, name):
    with pytest.raises(UserError, match=f"'{name}': "):
        evaluate({}, tmp_path / "out", FEW, functions={name: max}, outputs={"theirs": tmp_path})
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [["--outputs", "theirs=a"], ["--learn"]])
def test_what_is_of_the_benchmark_alone_needs_a_split(tmp_path, monkeypatch, capsys, option):
    with pytest.raises(SystemExit) as end:
        run(monkeypatch, "--split", "--data", tmp_path, "--checkpoint", *option, "--out", tmp_path / "out")
    assert end.value.code == 2 and f"{option[0]}: of SwapBench's cases alone" in capsys.readouterr().err


def test_export_halves_the_file(model, tmp_path, capsys):
    model.save(tmp_path / "a.safetensors")
    export.main([str(tmp_path / "a.safetensors"), "--out", str(tmp_path / "b.safetensors")])
    assert "MSDAE" in capsys.readouterr().out
    sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in "ab"]
    assert sizes[1] < 0.6 * sizes[0]
    halved = Autoencoder.load(tmp_path / "b.safetensors").state_dict()
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(halved[name], weight.half().float())
