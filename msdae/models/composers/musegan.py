"""MuseGAN (Dong et al. 2018): two bars in four tracks from noise, against a critic with gradient penalty."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import torch
import torch.nn as nn

from msdae import limits
from msdae.errors import UserError
from msdae.limits import POSITIVE, Range
from msdae.models.composers import rolls
from msdae.models.composers.base import COMPOSERS, Composer, ComposerSampling, ExcerptBatch, Losses
from msdae.symbolic.chorales import VOICES
from msdae.symbolic.notes import Score
from msdae.symbolic.tokens import LINE_REST, score_of_voices, voices

BARS, STEPS, PITCHES = 2, rolls.PER_BAR, 84  # bars of a phrase, steps of a bar, and pitches
LOW = 24  # MIDI pitch of the first row


@dataclass(frozen=True)
class MuseGANConfig:
    """Sizes of generator and critic.

    noise: size of each of the four noise vectors.
    width: features of the generators of bars. critic: features of the critic's convolutions.
    penalty: weight of the gradient penalty. turns: steps of the critic for each step of the generator.
    """

    noise: Annotated[int, Range(1, 1024)] = 32
    width: Annotated[int, Range(4, 1024)] = 64
    critic: Annotated[int, Range(4, 1024)] = 64
    penalty: Annotated[float, POSITIVE] = 10.0
    turns: Annotated[int, Range(1, 100)] = 5

    def __post_init__(self):
        limits.check(self)


@COMPOSERS.register("musegan")
class MuseGAN(Composer):
    """Generator and critic (WGAN-GP, Gulrajani et al. 2017), which step in turns."""

    kind, voices, converges = "musegan", VOICES, False
    sampled = ("temperature",)
    Config = MuseGANConfig
    schedule = {
        "learning_rate": 5e-4,
        "betas": (0.0, 0.9),
        "batch_size": 32,
        "steps": 2000,
        "clip": 1e6,
        "patience": 0,
        "warmup": 0,
        "validation_batches": 1,
    }

    def __init__(
        self, config: MuseGANConfig, vocabulary: Mapping[str, Any], provenance: dict[str, Any] | None = None
    ):
        super().__init__(config, vocabulary, provenance)
        self.generator, self.critic = Generator(config), Critic(config)
        # past nn.Module, so that the turns are no submodules: each trains one network alone
        object.__setattr__(self, "_turns", {"critic": _CriticTurn(self), "generator": _GeneratorTurn(self)})

    def turns(self) -> dict[str, nn.Module]:
        return self._turns

    def encode(self, score: Score) -> np.ndarray:
        """(steps, 84, 4) of 0 and 1, high voice to low."""
        pitches = voices(score)[:, :VOICES]
        pitches = np.pad(pitches, ((0, 0), (0, VOICES - pitches.shape[1])), constant_values=LINE_REST)
        length = -(-len(pitches) // STEPS) * STEPS
        tensor = np.zeros((length, PITCHES, VOICES), np.int8)
        step, voice = np.nonzero((pitches >= LOW) & (pitches < LOW + PITCHES))
        tensor[step, pitches[step, voice] - LOW, voice] = 1
        return tensor

    def excerpt(self, piece: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(2, 16, 84, 4): bars, steps, pitches, tracks."""
        return rolls.cut(piece, BARS * STEPS, rng).reshape(BARS, STEPS, PITCHES, VOICES)

    def _compose(
        self,
        count: int,
        bars: int,
        generator: torch.Generator,
        prompt: Score | None,
        sampling: ComposerSampling,
    ) -> list[Score]:
        """Phrases that share style and melody; chords and groove are drawn anew."""
        noise = self.config.noise
        style = torch.randn(count, noise, generator=generator)
        melody = torch.randn(count, VOICES, noise, generator=generator)
        phrases = []
        for _ in range(-(-bars // BARS)):
            chords = torch.randn(count, noise, generator=generator)
            groove = torch.randn(count, VOICES, noise, generator=generator)
            scale = sampling.temperature
            phrases.append(self.generator(scale * chords, scale * style, scale * melody, scale * groove))
        return [rolls.phrases([_score(phrase[row]) for phrase in phrases], bars) for row in range(count)]


class Generator(nn.Module):
    """Makes a phrase from four noise vectors: chords and groove change from bar to bar, style and melody do
    not; chords and style are shared by all tracks, groove and melody are not."""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        self.chords = _Temporal(config.noise)
        self.grooves = nn.ModuleList(_Temporal(config.noise) for _ in range(VOICES))
        self.bars = nn.ModuleList(_BarGenerator(4 * config.noise, config.width) for _ in range(VOICES))

    def forward(
        self, chords: torch.Tensor, style: torch.Tensor, melody: torch.Tensor, groove: torch.Tensor
    ) -> torch.Tensor:
        """chords, style: (batch, noise); melody, groove: (batch, tracks, noise)
        -> (batch, 2, 16, 84, 4), of -1 to 1"""
        moving = self.chords(chords)
        tracks = []
        for track, (network, generate) in enumerate(zip(self.grooves, self.bars, strict=True)):
            grooves = network(groove[:, track])
            steady = torch.cat([style, melody[:, track]], dim=-1)
            bars = [
                generate(torch.cat([moving[:, bar], grooves[:, bar], steady], dim=-1)) for bar in range(BARS)
            ]
            tracks.append(torch.stack(bars, dim=1))
        return torch.stack(tracks, dim=-1)


class _Temporal(nn.Module):
    """One vector to a vector for each bar: (batch, noise) -> (batch, bars, noise)"""

    def __init__(self, noise: int):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(noise, 4 * noise), nn.ReLU(), nn.Linear(4 * noise, BARS * noise))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x).unflatten(-1, (BARS, -1))


class _BarGenerator(nn.Module):
    """A bar of one track: (batch, inputs) -> (batch, 16, 84)"""

    def __init__(self, inputs: int, width: int):
        super().__init__()
        self.width = width
        self.first = nn.Sequential(nn.Linear(inputs, 4 * width), nn.BatchNorm1d(4 * width), nn.ReLU())
        self.net = nn.Sequential(
            *self._up(2 * width, width, (2, 1)),
            *self._up(width, width, (2, 1)),
            *self._up(width, width, (2, 1)),
            *self._up(width, width // 2, (1, 7)),
            nn.ConvTranspose2d(width // 2, 1, (1, 12), (1, 12)),
        )

    @staticmethod
    def _up(inputs: int, outputs: int, stride: tuple[int, int]) -> list[nn.Module]:
        return [nn.ConvTranspose2d(inputs, outputs, stride, stride), nn.BatchNorm2d(outputs), nn.ReLU()]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(self.first(x).unflatten(-1, (2 * self.width, 2, 1)))[:, 0].tanh()


class Critic(nn.Module):
    """How real a phrase is: (batch, 2, 16, 84, 4) -> (batch,)"""

    def __init__(self, config: MuseGANConfig):
        super().__init__()
        width = config.critic
        self.net = nn.Sequential(
            *self._down(VOICES, width, (2, 1, 1), (1, 1, 1)),
            *self._down(width, width, (1, 1, 12), (1, 1, 12)),
            *self._down(width, width, (1, 1, 7), (1, 1, 7)),
            *self._down(width, width, (1, 2, 1), (1, 2, 1)),
            *self._down(width, width, (1, 2, 1), (1, 2, 1)),
            *self._down(width, 2 * width, (1, 4, 1), (1, 2, 1)),
            nn.Flatten(),
            nn.Linear(2 * width, 4 * width),
            nn.LeakyReLU(0.2),
            nn.Linear(4 * width, 1),
        )

    @staticmethod
    def _down(inputs: int, outputs: int, size: tuple, stride: tuple) -> list[nn.Module]:
        return [nn.Conv3d(inputs, outputs, size, stride), nn.LeakyReLU(0.2)]

    def forward(self, phrases: torch.Tensor) -> torch.Tensor:
        # in single precision: on CPUs with AMX, gradients of Conv3d in bfloat16 hold what freed memory held
        with torch.autocast(phrases.device.type, enabled=False):
            return self.net(phrases.float().movedim(-1, 1))[:, 0]


class _CriticTurn(nn.Module):
    """The loss of the critic, which leaves the generator as it is."""

    def __init__(self, gan: MuseGAN):
        super().__init__()
        self.critic, self._gan = gan.critic, [gan]

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        if len(batch.values) < 2:
            raise UserError("batch_size: MuseGAN normalises over a batch; give 2 clips or more to each part")
        gan, real = self._gan[0], _signed(batch.values)
        with torch.no_grad():
            fake = gan.generator(*_noise(gan.config, draws))
        terms = {"distance": self.critic(fake) - self.critic(real)}
        if torch.is_grad_enabled():
            terms["penalty"] = gan.config.penalty * self._penalty(real, fake, draws)
        return terms

    def _penalty(self, real: torch.Tensor, fake: torch.Tensor, draws: Any) -> torch.Tensor:
        """How far the critic's slope between real and generated phrases is from 1."""
        mixed = torch.lerp(fake.float(), real, draws.uniform(1, 1, 1, 1)).requires_grad_()
        (slope,) = torch.autograd.grad(self.critic(mixed).sum(), mixed, create_graph=True)
        return (slope.flatten(1).norm(dim=1) - 1).square()


class _GeneratorTurn(nn.Module):
    """The loss of the generator, which leaves the critic as it is. In the steps that belong to the critic
    alone it is 0 without a gradient, so that the generator is not changed."""

    def __init__(self, gan: MuseGAN):
        super().__init__()
        self.generator, self._gan = gan.generator, [gan]

    def forward(self, batch: ExcerptBatch, draws: Any) -> Losses:
        gan = self._gan[0]
        if torch.is_grad_enabled() and int(batch.step[0]) % gan.config.turns:
            return {"generator": torch.zeros(len(batch.step), device=batch.step.device)}
        return {"generator": -gan.critic(self.generator(*_noise(gan.config, draws)))}


def _noise(config: MuseGANConfig, draws: Any) -> tuple[torch.Tensor, ...]:
    n = config.noise
    return draws.normal(n), draws.normal(n), draws.normal(VOICES, n), draws.normal(VOICES, n)


def _signed(values: torch.Tensor) -> torch.Tensor:
    return 2 * values.float() - 1


def _score(phrase: torch.Tensor) -> Score:
    """(2, 16, 84, 4) -> the loudest pitch at each step of each track; as in chorales, no track is silent"""
    return score_of_voices((phrase.flatten(0, 1).argmax(dim=1) + LOW).numpy(), rolls.TEMPO)
