"""Priors over log-mels of 10 kHz, as the sources have them: sound to log-mels, and back by Griffin-Lim."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from msdae import audio
from msdae.audio.loudness import OUTPUT_PEAK, Mastering
from msdae.audio.mel import LogMel, MelConfig
from msdae.audio.phase import accumulated, griffin_lim
from msdae.audio.resample import resampled
from msdae.data.draws import mix_seed
from msdae.data.pieces import Piece
from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.inference.generation import Generator, Request
from msdae.inference.pieces import Describe, by_split, sound
from msdae.inference.pipeline import Pipeline
from msdae.models.priors.base import Condition, Prior
from msdae.models.priors.grid import Grid, Level
from msdae.models.priors.settings import PriorSampling
from msdae.progress import Progress, silent

MEL = "mel-"  # begins the names of spaces: mel-64, mel-128, by bands
RATE, HOP, N_FFT = 10_000, 150, 1024  # 200 frames are three seconds
ROUNDS = 32  # of Griffin and Lim


class MelSpace:
    """Log-mels of so many bands, in place of a model's codes: one level, a code frame a mel frame.

    Args:
        clip: length of the clips that recordings are counted in.

    Attributes:
        fingerprint: its name, which priors keep in place of a model's. sample_rate: of what it renders.
    """

    hop, sample_rate = HOP, audio.SAMPLE_RATE

    def __init__(self, name: str, clip: ClipLength = ClipLength()):
        self.clip, self.fingerprint, self.bands = clip, name, int(name.partition("-")[2])
        self.grid = Grid((Level(self.bands, 1),))
        self.log_mel = LogMel(MelConfig(RATE, N_FFT, HOP, self.bands))

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """(samples,) -> (bands, frames)"""
        low = resampled(waveform, sample_rate, RATE)
        return self.log_mel(torch.nn.functional.pad(low, (0, max(0, N_FFT - len(low))))[None])[0]

    @torch.no_grad()
    def decode(self, mel: torch.Tensor) -> torch.Tensor:
        """(bands, frames) -> (samples,) at `sample_rate`, nothing above 5 kHz."""
        gained = torch.expm1(mel.clamp(0, 15)) / self.log_mel.config.gain
        magnitude = (self._inverse @ gained).clamp_min(0)[None]
        phase = accumulated(magnitude, HOP)
        waveform = griffin_lim(magnitude, phase, self.log_mel.window, HOP, ROUNDS)[0]
        return resampled(waveform, RATE, self.sample_rate)

    @functools.cached_property
    def _inverse(self) -> torch.Tensor:
        return torch.linalg.pinv(self.log_mel.filters)

    def encoded(
        self,
        files: Mapping[str, Sequence[SourceFile]],
        describe: Describe | None = None,
        progress: Progress = silent,
    ) -> dict[str, list[Piece]]:
        """As `pieces.encoded`."""

        def piece(file: SourceFile) -> Piece:
            mel = self.encode(sound(file, self.clip, RATE), RATE)
            texts = describe(file.labels) if describe else None
            return Piece(file.name, {}, {1: mel}, mel.shape[1], {}, texts)

        return by_split(files, piece, progress)


def generator_of(
    pipeline: Pipeline, prior: Prior, sampling: PriorSampling = PriorSampling()
) -> "Generator | MelGenerator":
    """What renders the draws of a prior: of codes, or of log-mels.

    Raises:
        UserError: the prior is of another model than the pipeline's.
    """
    if prior.model.startswith(MEL):
        return MelGenerator(prior, sampling)
    return Generator(pipeline, prior, sampling)


class MelGenerator:
    """A prior over log-mels, rendered; the part of `Generator` that such a prior can do."""

    def __init__(self, prior: Prior, sampling: PriorSampling = PriorSampling()):
        self.space, self.prior, self.sampling = MelSpace(prior.model), prior, sampling
        self.rate = self.space.sample_rate

    def many(
        self, count: int, seconds: float, seed: int = 0, text: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As `Generator.many`."""
        samples = round(seconds * self.rate)
        frames = math.ceil(samples * RATE / self.rate / HOP) + 1
        generator = torch.Generator().manual_seed(mix_seed((seed,)))
        mels = self.prior.sample(frames, Condition({}, text), generator, None, self.sampling, count)[1]
        waveforms = [self.space.decode(mel)[:samples] for mel in mels]
        return torch.stack([torch.nn.functional.pad(w, (0, samples - len(w))) for w in waveforms])

    def render_file(self, request: Request, path: str | Path, progress: Progress = silent) -> Mastering:
        """As `Generator.render_file`.

        Raises:
            UserError: the request gives a source.
        """
        audio.check_writable(path)
        if any(source is not None for source in (request.timbre, request.melody, request.beginning)):
            raise UserError(
                f"the prior {self.prior.kind} is over log-mels, which know no timbre and no melody; give one "
                "over codes, or leave out the sources"
            )
        (waveform,) = self.many(1, request.seconds, request.seed, request.text)
        gain = 0.5 * OUTPUT_PEAK / float(waveform.abs().max().clamp_min(1e-6))
        audio.write(path, gain * waveform, self.rate)
        return Mastering(gain, limited=False)
