"""Clips of which it is known what tells what: latents the family, log-mels the pitches that sound."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from msdae import audio
from msdae.analysis import probes as probing
from msdae.analysis.probes.study import SHARED, Result
from msdae.audio.mel import MelConfig
from msdae.config import to_mapping
from msdae.data.sources import ClipLength
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE

CODEC = CodecConfig(name="spectral", fingerprint="f" * 64)
TINY = ModelConfig(
    widths=(32, 32, 32), inject=(2, 1, 0), code_channels=(8, 8, 8), encoder_widths=(8, 8), codec=CODEC
)
FAMILIES = ("bass", "flute", "reed")
SECONDS = ClipLength().samples / audio.SAMPLE_RATE


def write_cache(path: Path, split: str, pieces: range) -> None:
    """Half notes of pitch 60 to 63, half melodies of four of these pitches, each a quarter of the clip."""
    rng = np.random.default_rng(pieces.start)
    path.mkdir(parents=True)
    audio.write(path / "a.wav", 0.1 * torch.sin(torch.arange(ClipLength().samples) / 20))
    clips, latents, mels = [], [], []
    for piece in pieces:
        for velocity in (50, 100):
            family = FAMILIES[piece % 3]
            note = piece % 2 == 0 or piece % 3 == 0
            pitches = [60 + piece % 4] * 4 if note else list(60 + rng.integers(4, size=4))
            clip = {"name": f"{split}{len(clips)}", "dataset": "nsynth" if note else "slakh", "path": "a.wav"}
            if note:
                label = {"pitch": pitches[0], "velocity": velocity, "piece": f"note{piece}-{velocity}"}
                label["notes"] = [[0.0, SECONDS, pitches[0], velocity]]
            else:
                starts = [quarter * SECONDS / 4 for quarter in range(4)]
                ends = [start + SECONDS / 4 for start in starts]
                notes = zip(starts, ends, pitches, [velocity] * 4, strict=True)
                label = {
                    "piece": f"piece{piece}",
                    "notes": [[*map(float, n[:2]), *map(int, n[2:])] for n in notes],
                }
            clips.append({**clip, "start": 0.0, "instrument": f"{family}_{piece}", "family": family, **label})
            z = rng.normal(0, 0.3, (64, 32))
            z[FAMILIES.index(family) :: 3] += 3
            mel = rng.uniform(0, 0.1, (128, 512))
            for quarter, pitch in enumerate(pitches):
                band = 25 * (pitch - 60)
                mel[band : band + 25, 128 * quarter : 128 * (quarter + 1)] += 3
            latents.append(z)
            mels.append(mel)
    np.save(path / "latents.npy", np.array(latents, dtype=np.float16))
    np.save(path / "mels.npy", np.array(mels, dtype=np.float16))
    (path / "clips.jsonl").write_text("".join(json.dumps(clip) + "\n" for clip in clips))
    manifest = {
        "format": 1,
        "key": split,
        "dataset": "synth",
        "split": split,
        "source": ".",
        "codec": {"name": CODEC.name, "fingerprint": CODEC.fingerprint},
        "mel": to_mapping(MelConfig()),
        "clips": len(clips),
        "latent": {"mean": [0.0] * 64, "std": 1.0},
    }
    (path / "manifest.json").write_text(json.dumps(manifest))


@pytest.fixture(scope="session")
def config():
    return TINY


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probing") / "known"
    write_cache(folder / "train", "train", range(0, 60))
    write_cache(folder / "test", "test", range(48, 84))
    return folder


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    torch.manual_seed(7)  # another than the control's
    path = tmp_path_factory.mktemp("run") / "tiny.safetensors"
    MSDAE(TINY).save(path)
    return path


@pytest.fixture(scope="session")
def results():
    """f(checkpoint, model, task=(share, share, share), ...): results of a model whose levels tell shares
    of the task's information, of a codec that tells all of it and of untrained encoders that tell a tenth."""

    def make(checkpoint: str = "some", model: str = "MSDAE", **shares: tuple[float, ...]) -> list[Result]:
        rng = np.random.default_rng(0)
        found = []
        for task, of_levels in shares.items():
            levels = {f"h{k}": share for k, share in enumerate(of_levels, start=1)}
            controls = {f"random {code}": 0.1 for code in levels}
            for code, share in {**levels, **controls, "codec": 1.0, "mel": 0.9}.items():
                mine = (SHARED, SHARED) if code in ("codec", "mel") else (checkpoint, model)
                found += [_result(mine, clips, task, code, share, rng) for clips in probing.TASKS[task].sets]
        return found

    return make


def _result(
    mine: tuple[str, str], clips: str, task: str, code: str, share: float, rng: np.random.Generator
) -> Result:
    losses = np.repeat(rng.uniform(0.5, 1.5, 20), 2)
    score = {"score": share, "low": share - 0.1, "high": share + 0.1, "floor": 0.05}
    loss = {"loss": 0.04 * (1 - share), "loss_low": 0.0, "loss_high": 0.05, "loss_floor": 0.04}
    counts = {"outputs": 4, "fit_clips": 300, "test_clips": 40, "left_out": 0}
    return Result(
        *(*mine, "known", clips, code, task, probing.TASKS[task].metric),
        **score,
        **loss,
        **counts,
        explained=share,
        losses=(1 - share) * losses / losses.mean(),
        groups=tuple(f"{clips} {i // 2}" for i in range(40)),
    )
