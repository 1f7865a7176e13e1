import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from msdae import probing
from msdae.config import to_mapping
from msdae.errors import UserError
from msdae.models import MSDAE, CodecConfig, ModelConfig
from msdae.spectral import MelConfig

SCRIPT = Path(__file__).parents[1] / "probes" / "run_probes.py"
CODEC = CodecConfig(name="spectral", fingerprint="f" * 64)
TINY = ModelConfig(
    widths=(32, 32, 32), inject=(2, 1, 0), code_channels=(8, 8, 8), encoder_widths=(8, 8), codec=CODEC
)
FAMILIES = ("bass", "flute", "reed")


def write_cache(path: Path, split: str, pieces: range) -> None:
    """Clips whose latent says the family and whose log-mel says the pitch; half notes, half melodies."""
    rng = np.random.default_rng(pieces.start)
    clips, latents, mels = [], [], []
    for piece in pieces:
        for velocity in (50, 100):
            pitch, family = 60 + piece % 4, FAMILIES[piece % 3]
            note = piece % 2 == 0 or piece % 3 == 0
            label = (
                {"pitch": pitch, "piece": f"note{piece}-{velocity}"} if note else {"piece": f"piece{piece}"}
            )
            clip = {"name": f"{split}{len(clips)}", "dataset": "nsynth" if note else "slakh", "path": "a.wav"}
            clips.append({**clip, "instrument": f"{family}_{piece}", "family": family, **label})
            z = rng.normal(0, 0.3, (64, 32))
            z[FAMILIES.index(family) :: 3] += 3
            mel = rng.uniform(0, 0.1, (128, 512))
            mel[25 * (pitch - 60) : 25 * (pitch - 60) + 25] += 3
            latents.append(z)
            mels.append(mel)
    path.mkdir(parents=True)
    np.save(path / "latents.npy", np.array(latents, dtype=np.float16))
    np.save(path / "mels.npy", np.array(mels, dtype=np.float16))
    (path / "clips.jsonl").write_text("".join(json.dumps(clip) + "\n" for clip in clips))
    manifest = {
        "format": 1,
        "dataset": "synth",
        "split": split,
        "source": "here",
        "codec": {"name": CODEC.name, "fingerprint": CODEC.fingerprint},
        "mel": to_mapping(MelConfig()),
        "clips": len(clips),
        "latent": {"mean": [0.0] * 64, "std": 1.0},
    }
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_cache(folder / "train", "train", range(0, 60))
    write_cache(folder / "test", "test", range(48, 84))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(7)  # another than the control's
    path = tmp_path_factory.mktemp("run") / "tiny.safetensors"
    MSDAE(TINY).save(path)
    return path


def test_no_group_is_on_both_sides_of_a_split(data):
    for path in (data, data / "train"):
        split = probing.open_split(path)
        fit = {probing.group(split.fit.clips[i]) for i in split.fit_indices}
        test = {probing.group(split.test.clips[i]) for i in split.test_indices}
        assert fit and test and not fit & test
    whole = probing.open_split(data)
    assert len(whole.test_indices) == len(whole.test)  # what is shared is taken from the fit alone
    assert len(whole.fit_indices) < len(whole.fit)


def test_velocities_of_a_note_and_stems_of_a_piece_are_one_group():
    note = {"name": "a", "piece": "reed_1-060-025", "instrument": "reed_1", "pitch": 60}
    assert probing.group(note) == probing.group({**note, "name": "b", "piece": "reed_1-060-127"})
    assert probing.group(note) != probing.group({**note, "pitch": 61})
    stem = {"name": "c", "piece": "bach", "stem": "S00", "instrument": "reed_1"}
    assert probing.group(stem) == probing.group({**stem, "name": "d", "stem": "S01", "instrument": "bass_1"})


def test_a_probe_reads_what_is_there_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    classes = [str(i % 4) for i in range(400)]
    told = torch.randn(400, 8, generator=generator)
    told[:, 0] += torch.arange(400) % 4 * 4
    blind = torch.randn(400, 8, generator=generator)
    groups = [f"g{i}" for i in range(300)]
    for x, low, high in ((told, 0.9, 1.0), (blind, 0.0, 0.45)):
        answers = probing.probe((x[:300], classes[:300]), x[300:], groups)
        accuracy = np.mean([a == b for a, b in zip(answers, classes[300:], strict=True)])
        assert low <= accuracy <= high
    assert answers == probing.probe((blind[:300], classes[:300]), blind[300:], groups)


def test_the_random_control_keeps_sizes_and_changes_weights(checkpoint):
    model = MSDAE.from_pretrained(checkpoint)
    fresh = probing.initial(model)
    mine, other = model.encoders.state_dict(), fresh.encoders.state_dict()
    assert {name: w.shape for name, w in mine.items()} == {name: w.shape for name, w in other.items()}
    assert any(not torch.equal(mine[name], other[name]) for name in mine)
    again = probing.initial(model).encoders.state_dict()
    assert all(torch.equal(other[name], again[name]) for name in other)


def test_the_command_line_writes_the_three_reports(data, checkpoint, tmp_path):
    command = [sys.executable, str(SCRIPT), "--data", str(data), "--checkpoint", str(checkpoint)]
    done = subprocess.run([*command, "--out", str(tmp_path / "out")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((tmp_path / "out" / "probes.csv").open()))
    assert rows == [
        {key: str(value) for key, value in row.items()}
        for row in json.loads((tmp_path / "out" / "probes.json").read_text())
    ]
    accuracy = {(row["code"], row["task"]): float(row["accuracy"]) for row in rows}
    codes = {"h1", "h2", "h3", "random h1", "random h2", "random h3", "codec", "mel"}
    assert accuracy.keys() == {(code, task) for code in codes for task in ("pitch", "instrument")}
    assert accuracy["mel", "pitch"] == 1.0 and accuracy["codec", "instrument"] == 1.0
    assert accuracy["codec", "pitch"] < 0.7  # the latent was not told
    for row in rows:
        assert 0 <= float(row["low"]) <= float(row["accuracy"]) <= float(row["high"]) <= 1
        assert int(row["classes"]) == {"pitch": 4, "instrument": 3}[row["task"]]
    shown = [line.split("  ")[0] for line in done.stdout.splitlines()]
    assert shown[:4] == ["code", "h1", "h2", "h3"] and "most frequent class" in shown
    assert "| h1 " in (tmp_path / "out" / "probes.md").read_text()


def test_a_cache_of_another_codec_is_refused(data, tmp_path):
    other = ModelConfig(**{**vars(TINY), "codec": CodecConfig(name="spectral", fingerprint="0" * 64)})
    with pytest.raises(UserError, match="codec"):
        probing.run({"tiny": MSDAE(other)}, probing.open_split(data), ["pitch"])


def test_missing_data_and_missing_labels_are_refused(data, checkpoint, tmp_path):
    with pytest.raises(UserError, match="neither a cache nor"):
        probing.open_split(tmp_path)
    model = MSDAE.from_pretrained(checkpoint)
    split = probing.open_split(data / "train")
    for clip in split.fit.clips:
        clip.pop("pitch", None)
    with pytest.raises(UserError, match="no clip has the label 'pitch'"):
        probing.run({"tiny": model}, split, ["pitch"])
