"""Diffusion of piano rolls as images, by diffusers' UNet2DModel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn.functional as F

from msdae import limits
from msdae.errors import UserError, required
from msdae.limits import Choice, Range, Size
from msdae.models.composers import rolls
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.symbolic.chorales import VOICES
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import bar_count, roll

PITCHES, OCTAVE, OCTAVES = 128, 12, 11  # pitches of a roll, of an octave; octaves that hold all pitches
LENGTH = 4 * rolls.PER_BAR  # steps of an image: four bars
TIMES = 1000  # noise levels
SOUNDING = (1e-3, 0.5)  # least and largest share of pitches that sound
AROUND = 2  # semitones that an octave is continued by on either side, so that it wraps


@dataclass(frozen=True)
class RollDiffusionConfig:
    """The U-Net and what it predicts.

    channels: features at its three depths. layers: blocks at each depth.
    prediction: whether it predicts the velocity or the noise. betas: the schedule of the noise.
    wrap: whether an image has 12 rows, the semitones, which wrap around, and a channel for each octave; else
        it has 128 rows, the pitches.
    standard: whether images are scaled to mean 0 and deviation 1, so that silence, 97 % of them, is near 0;
        else their values are -1 and 1.
    sampler: DPM-Solver in `steps` steps, or DDPM in its thousand.
    """

    channels: Annotated[tuple[Annotated[int, Range(4, 1024)], ...], Size(3, 3)] = (32, 64, 96)
    layers: Annotated[int, Range(1, 8)] = 1
    prediction: Annotated[str, Choice(("v_prediction", "epsilon"))] = "v_prediction"
    betas: Annotated[str, Choice(("squaredcos_cap_v2", "linear"))] = "squaredcos_cap_v2"
    wrap: bool = True
    standard: bool = True
    sampler: Annotated[str, Choice(("dpm_solver", "ddpm"))] = "dpm_solver"
    steps: Annotated[int, Range(1, TIMES)] = 20

    def __post_init__(self):
        limits.check(self)
        if any(width % 4 for width in self.channels):
            raise UserError(
                f"channels {self.channels}: give multiples of 4, for groups of them are normalised"
            )


@COMPOSERS.register("roll_diffusion")
class RollDiffusion(Composer):
    """Four bars of all pitches from noise."""

    kind, voices = "roll_diffusion", VOICES
    sampled = ()
    Config = RollDiffusionConfig
    schedule = {"learning_rate": 4e-4, "batch_size": 16, "steps": 2000, "warmup": 100, "patience": 10}

    def __init__(
        self,
        config: RollDiffusionConfig,
        vocabulary: Mapping[str, Any],
        provenance: dict[str, Any] | None = None,
    ):
        super().__init__(config, vocabulary, provenance)
        diffusers = _diffusers()
        images = OCTAVES if config.wrap else 1
        self.unet = diffusers.UNet2DModel(
            sample_size=(OCTAVE + 2 * AROUND if config.wrap else PITCHES, LENGTH),
            in_channels=images,
            out_channels=images,
            block_out_channels=config.channels,
            layers_per_block=config.layers,
            norm_num_groups=4,
            down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        )
        self.silent, self.sounding = -1.0, 1.0  # values of an image
        if config.standard:
            odds = self.vocabulary["sounding"] / (1 - self.vocabulary["sounding"])
            self.silent, self.sounding = -(odds**0.5), odds**-0.5
        options = {"prediction_type": config.prediction, "beta_schedule": config.betas}
        self.noising = diffusers.DDPMScheduler(
            TIMES, clip_sample=True, clip_sample_range=self.sounding, **options
        )

    @classmethod
    def count(cls, scores: Sequence[Score]) -> dict[str, Any]:
        """The share of the pitches in a roll that sound, on average."""
        rolls_of = (roll(score, bar_count(score) * rolls.PER_BAR, 0, PITCHES) for score in scores)
        sums = np.sum([(active.sum(), active.size) for active in rolls_of], axis=0)
        return {"sounding": float(np.clip(sums[0] / max(1, sums[1]), *SOUNDING))}

    def encode(self, score: Score) -> np.ndarray:
        """(steps, 128) of 0 and 1."""
        length = max(1, bar_count(score)) * rolls.PER_BAR
        return roll(score, length, 0, PITCHES).astype(np.int8)

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(64, 128): four bars."""
        return rolls.cut(piece, LENGTH, rng)

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        clean = self._images(batch.values)
        times = (draws.uniform() * TIMES).long()
        noise = draws.normal(*clean.shape[1:])
        noisy = self.noising.add_noise(clean, noise, times)
        velocity = self.config.prediction == "v_prediction"
        target = self.noising.get_velocity(clean, noise, times) if velocity else noise
        return {"denoising": (self._predicted(noisy, times) - target).square().flatten(1).mean(dim=1)}

    def _predicted(self, images: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        if not self.config.wrap:
            return self.unet(images, times).sample
        around = F.pad(images, (0, 0, AROUND, AROUND), mode="circular")
        return self.unet(around, times).sample[:, :, AROUND:-AROUND]

    def _images(self, values: torch.Tensor) -> torch.Tensor:
        """(batch, steps, 128) -> (batch, 1, 128, steps), or (batch, 11, 12, steps) that wrap"""
        images = (self.silent + (self.sounding - self.silent) * values.float()).transpose(1, 2)
        if not self.config.wrap:
            return images[:, None]
        missing = OCTAVES * OCTAVE - PITCHES
        return F.pad(images, (0, 0, 0, missing), value=self.silent).unflatten(1, (OCTAVES, OCTAVE))

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        shape = (OCTAVES, OCTAVE) if self.config.wrap else (1, PITCHES)
        parts = -(-bars // (LENGTH // rolls.PER_BAR))
        images = torch.randn(count * parts, *shape, LENGTH, generator=generator)
        scheduler = self._scheduler()
        for time in scheduler.timesteps:
            predicted = self._predicted(images, time)
            options = {"generator": generator} if self.config.sampler == "ddpm" else {}
            images = scheduler.step(predicted, time, images, **options).prev_sample
        active = self._active(images).reshape(count, parts, LENGTH, PITCHES)
        return [rolls.joined(list(active[row]), 0, bars) for row in range(count)]

    def _active(self, images: torch.Tensor) -> np.ndarray:
        """Images to rolls (batch, steps, 128): a pitch sounds if it is nearer to sound than to silence."""
        flat = images.flatten(1, 2)[:, :PITCHES].transpose(1, 2)
        return ((flat - self.silent) / (self.sounding - self.silent) >= 0.5).numpy()

    def _scheduler(self) -> Any:
        diffusers = _diffusers()
        if self.config.sampler == "ddpm":
            kind, steps = diffusers.DDPMScheduler, TIMES
        else:
            kind, steps = diffusers.DPMSolverMultistepScheduler, self.config.steps
        scheduler = kind.from_config(self.noising.config)
        scheduler.set_timesteps(steps)
        return scheduler


def _diffusers() -> Any:
    return required("diffusers", "roll_diffusion needs diffusers: pip install 'msdae[composers]'")
