"""What models cost: seconds on this machine; parameters, FLOPs and memory, counted on meta tensors."""

import copy
import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from msdae import config, folders
from msdae.audio import SAMPLE_RATE
from msdae.codecs import Codec
from msdae.data import Batch
from msdae.data.cache import FRAMES
from msdae.data.draws import Draws
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.inference.settings import NEVER
from msdae.models.autoencoder import Autoencoder, build
from msdae.symbolic.tunes import BEAT, FRERE_JACQUES, ODE_TO_JOY, notes_of
from msdae.synthesis.players import play
from msdae.training.autoencoder import TrainConfig
from msdae.training.memory import activations, kept_storages

FLOAT = 4  # bytes of a number in single precision
PUBLISHED = "released"  # name of the published configuration's file


def medians(cases: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each case over `rounds` rounds.

    The cases take turns, so that other load on the machine slows all of them alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if round_ > 0:  # the first round is a warm-up
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def training_step(model: Autoencoder, batch: int, device: torch.device) -> Callable[[], None]:
    """A function that takes one optimizer step of the model's stage, on random clips already in memory.

    batch: clips, of `FRAMES` latent frames each.
    """
    optimizer = torch.optim.Adam(model.to(device).train().freeze(), fused=True)
    clips, draws = noise(model, batch, FRAMES, device)

    def step() -> None:
        loss = model(clips, draws.again())["denoising"].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # wait for the device

    return step


def swap(pipeline: Pipeline, seconds: float) -> Callable[[], None]:
    """A function that swaps both `recordings` of so many seconds, from waveforms to waveform; it remembers no
    sound."""
    timbre, melody = recordings(seconds)

    def case() -> None:
        pipeline.remembered.clear()
        pipeline.swap(timbre, melody, sample_rate=SAMPLE_RATE)

    return case


def recordings(seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tunes, each repeated to `seconds` and played by a synthesis formula: (samples,) at 44 100 Hz each.

    They are music because noise, which has no pitch and may be taken for that of a room, takes another time.
    """
    samples = round(seconds * SAMPLE_RATE)
    waveforms = []
    for player, tune in (("struck formula", FRERE_JACQUES), ("held formula", ODE_TO_JOY)):
        times = math.ceil(seconds / (BEAT * sum(beats for _, beats in tune)))
        waveforms.append(play(notes_of(tune * times), samples, player))
    return waveforms[0], waveforms[1]


def published(codec: Codec) -> Pipeline:
    """The published configuration with initial weights: Heun's sampler in 18 steps, no guidance.

    codec: takes the place of the configuration's own, whose licence forbids commercial use.
    """
    settings = config.load(TrainConfig, folders.configs() / f"{PUBLISHED}.yaml").model
    sizes = {"hop": codec.hop, "channels": codec.channels}
    trained_on = replace(settings.codec, name=codec.name, fingerprint=codec.fingerprint, **sizes)
    mel = settings.mel.fitted(codec.sample_rate, codec.hop)
    model = build("msdae", replace(settings, codec=trained_on, mel=mel))
    sampling = Sampling(18, "heun", (1.0,), antithetic=0.0, learn=NEVER, transcription=NEVER)
    return Pipeline(model, codec, sampling)


def summarize(model: Autoencoder, batch: int, frames: int) -> dict[str, Any]:
    """Costs of one training step of the model's stage, in single precision.

    batch: clips of `frames` latent frames each.

    Returns a dictionary of:
        parameters: their numbers by part, and the "total".
        trainable: the number of parameters that the stage trains.
        flops: of forward and backward pass (a multiplication and an addition count as two).
        memory: bytes of the "weights" (all weights and their EMA; gradients and Adam's two moments of the
            trainable ones) and of the "activations" that are kept for the backward pass.
    """
    parts = {name: _count(module) for name, module in model.named_children()}
    ghost = copy.deepcopy(model).to("meta")
    trainable = sum(parameter.numel() for parameter in ghost.freeze())
    counter = FlopCounterMode(display=False)
    with counter, kept_storages() as storages:
        clips, draws = noise(model, batch, frames, torch.device("meta"))
        ghost.train().losses(clips, draws)["denoising"].mean().backward()
    kept = activations(storages, ghost.parameters())
    total = sum(parts.values())
    return {
        "parameters": {**parts, "total": total},
        "trainable": trainable,
        "flops": counter.get_total_flops(),
        "memory": {"weights": FLOAT * (2 * total + 3 * trainable), "activations": kept},
    }


def noise(model: Autoencoder, batch: int, frames: int, device: torch.device) -> tuple[Batch, Draws]:
    """A batch of random clips of `frames` latent frames for the model, and the draws of a training step."""
    codec, mel = model.config.codec, model.config.mel
    z = torch.randn(batch, codec.channels, frames, device=device)
    x3 = torch.rand(batch, mel.bands, frames * codec.hop // mel.hop, device=device)
    sound = torch.arange(batch, device=device)
    pitches = torch.full((batch, frames), -1, device=device)
    clips = Batch(z, x3, x3, x3, sound, sound, pitches, [""] * batch, list(range(batch)))
    return clips, Draws((0,), batch, device=device)


def _count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
