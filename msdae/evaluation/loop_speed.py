"""How fast the training loop is, and the share of a step for reading clips, making views and moving them."""

import dataclasses
import functools
import json
import statistics
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from msdae import config
from msdae.data import ClipCache
from msdae.data.cache import CLIPS, FORMAT, FRAMES, LATENTS, MANIFEST, MELS
from msdae.models.autoencoder import build
from msdae.models.config import ModelConfig
from msdae.training.autoencoder import AutoencoderTask, TrainConfig
from msdae.training.loop import Loop

WARM = 3  # warm-up steps, which are not measured
NEVER = 10**6  # steps: longer than any measurement


@dataclasses.dataclass(frozen=True)
class StepSpeed:
    """Seconds of a step, and those of the network in it: forward pass, backward pass and optimizer."""

    seconds: float
    network: float

    @property
    def rest(self) -> float:
        """The share of a step that the network does not take, 0 to 1."""
        return max(0.0, 1 - self.network / self.seconds)


def measure(kind: str, stage: int, settings: TrainConfig, steps: int) -> StepSpeed:
    """Median times over `steps` training steps of a stage, on a temporary cache of squares of noise."""
    settings = dataclasses.replace(
        settings,
        trackers=(),
        log_every=NEVER,
        save_every=NEVER,
        validate_every=NEVER,
        audio_every=NEVER,
        validation_batches=1,
        steps=(WARM + steps,) * len(settings.steps),
        workers=0,
    )
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        clips = _noise(folder / "clips", max(8, 2 * settings.batch_size), settings.model)
        model = build(kind, settings.model, stage)
        codec: Any = SimpleNamespace(sample_rate=settings.model.mel.sample_rate)
        marks: list[float] = []
        task = AutoencoderTask(model, settings, clips, clips, codec)
        loop = Loop(task, settings, WARM + steps, folder / "run", functools.partial(_Marks, marks))
        networks = _timed(loop)
        loop.run()
    passed = [after - before for before, after in zip(marks[WARM - 1 :], marks[WARM:], strict=False)]
    parts = settings.accumulation
    whole = [sum(networks[first : first + parts]) for first in range(WARM * parts, len(networks), parts)]
    return StepSpeed(statistics.median(passed), statistics.median(whole))


class _Marks(tqdm):
    """A silent progress bar that notes in `marks` when each step ends."""

    def __init__(self, marks: list[float], **options: Any):
        self.marks = marks
        super().__init__(disable=True, **options)

    def update(self, n: float | None = 1) -> bool | None:
        self.marks.append(time.perf_counter())
        return super().update(n)


def _timed(loop: Loop) -> list[float]:
    """Make `loop` time its networks: a list to which the seconds of each part of a step are appended."""
    turns, seconds = loop._turns, []

    def timed(*arguments: Any) -> Any:
        before = time.perf_counter()
        result = turns(*arguments)
        if loop.device.type == "cuda":
            torch.cuda.synchronize(loop.device)
        seconds.append(time.perf_counter() - before)
        return result

    loop._turns = timed  # type: ignore[method-assign]
    return seconds


def _noise(folder: Path, clips: int, model: ModelConfig) -> ClipCache:
    """A cache of squares whose latents and log-mels are noise."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    codec, mel = model.codec, model.mel
    latents = generator.standard_normal((clips, codec.channels, FRAMES), dtype=np.float32)
    mels = generator.random((clips, mel.bands, FRAMES * codec.hop // mel.hop), dtype=np.float32)
    np.save(folder / LATENTS, latents.astype(np.float16))
    np.save(folder / MELS, mels.astype(np.float16))
    lines = []
    for index in range(clips):
        square, cell = divmod(index, 4)
        labels = {"score": f"{square}/{cell // 2}", "sound": f"{square}/{cell % 2}"}
        lines.append(json.dumps({"name": str(index), "path": f"{index}.wav", "start": 0.0, **labels}))
    (folder / CLIPS).write_text("\n".join(lines) + "\n")
    manifest = {
        "format": FORMAT,
        **dict.fromkeys(("key", "dataset", "split"), "noise"),
        "source": str(folder),
        "clips": clips,
        "frames": FRAMES,
        "mel": config.to_mapping(mel),
        "codec": {
            "name": codec.name,
            "fingerprint": codec.fingerprint,
            "channels": codec.channels,
            "hop": codec.hop,
            "sample_rate": mel.sample_rate,
        },
        "latent": {"mean": [0.0] * codec.channels, "std": 1.0},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    return ClipCache(folder)
