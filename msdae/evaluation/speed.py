"""How fast the models train and swap here: medians over rounds that take the cases in turn."""

import time
from collections.abc import Callable, Mapping

import torch

from msdae.evaluation import accounting
from msdae.inference.pipeline import Pipeline
from msdae.models.autoencoder import Autoencoder


def medians(cases: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Median seconds of each case; taking turns spreads what else the machine does over all of them."""
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for round_ in range(rounds + 1):
        for name, case in cases.items():
            start = time.perf_counter()
            case()
            if round_ > 0:  # the first one warms up
                taken[name].append(time.perf_counter() - start)
    return {name: sorted(times)[len(times) // 2] for name, times in taken.items()}


def training_step(
    model: Autoencoder, batch: int, device: torch.device, frames: int = 32
) -> Callable[[], None]:
    """One optimizer step of the model's stage on random clips that are already in memory."""
    optimizer = torch.optim.Adam(model.to(device).train().freeze(), fused=True)
    clips, draws = accounting.noise(model, batch, frames, device)

    def step() -> None:
        loss = model(clips, draws.again())["denoising"].mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        loss.item()  # waits for the device

    return step


def swap(pipeline: Pipeline, seconds: float) -> Callable[[], None]:
    """A swap of two recordings of noise, `seconds` long, from sound to sound."""
    timbre, melody = 0.1 * torch.randn(2, round(seconds * pipeline.codec.sample_rate))

    def case() -> None:
        pipeline.swap(timbre, melody)

    return case
