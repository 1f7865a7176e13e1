"""Priors over log-mels of sound at 10 kHz in place of codes: sound to log-mels, and back by Griffin-Lim."""

import functools
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from msdae import audio
from msdae.audio.loudness import Mastering
from msdae.audio.mel import LogMel, MelConfig
from msdae.audio.phase import accumulated, griffin_lim
from msdae.audio.resample import resampled
from msdae.data.draws import mix_seed
from msdae.data.pieces import Piece
from msdae.data.sources import ClipLength, SourceFile
from msdae.errors import UserError
from msdae.inference.generation import LOUDNESS, FixedLoudness, Generator, Request
from msdae.inference.mastering import write_mastered
from msdae.inference.pieces import SILENT, Describe, by_split, sound
from msdae.inference.pipeline import Pipeline
from msdae.models.priors.base import Condition, Prior
from msdae.models.priors.grid import Grid, Level
from msdae.models.priors.settings import PriorSampling
from msdae.progress import Progress, silent

MEL = "mel-"  # prefix of the names of spaces, before the number of bands: mel-64, mel-128
RATE, HOP, N_FFT = 10_000, 150, 1024  # 200 frames are three seconds
ROUNDS = 32  # iterations of Griffin-Lim


class MelSpace:
    """Log-mels in place of a model's codes: one level, whose code frames are the mel frames.

    Args:
        name: "mel-" and the number of bands.
        clip: length of the clips that recordings are counted in.

    Attributes:
        fingerprint: the name, which priors keep in place of a model's fingerprint.
        sample_rate: of the sound that it decodes, in Hz.
    """

    hop, sample_rate = HOP, audio.SAMPLE_RATE

    def __init__(self, name: str, clip: ClipLength = ClipLength()):
        self.clip, self.fingerprint, self.bands = clip, name, int(name.partition("-")[2])
        self.grid = Grid((Level(self.bands, 1),))
        self.log_mel = LogMel(MelConfig(RATE, N_FFT, HOP, self.bands))

    @torch.no_grad()
    def encode(self, waveform: torch.Tensor, sample_rate: int) -> torch.Tensor:
        """waveform: (samples,) at `sample_rate` Hz -> log-mel (bands, frames)."""
        low = resampled(waveform, sample_rate, RATE)
        return self.log_mel(torch.nn.functional.pad(low, (0, max(0, N_FFT - len(low))))[None])[0]

    @torch.no_grad()
    def decode(self, mel: torch.Tensor) -> torch.Tensor:
        """mel: (bands, frames) -> waveform (samples,) at `self.sample_rate`, with nothing above 5 kHz."""
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
        """As `pieces.encoded`, with log-mels in place of codes, all silence kept and no labels.

        Raises:
            UserError: as `pieces.encoded`.
        """
        pieces = by_split(files, lambda file: self.piece(file, describe), progress)
        if not any(piece.melody[1].any() for piece in pieces.get("train", ())):
            raise UserError(SILENT)
        return pieces

    def piece(self, file: SourceFile, describe: Describe | None = None) -> Piece:
        """A recording as a piece of `encoded`."""
        mel = self.encode(sound(file, self.clip, RATE), RATE)
        texts = describe(file.labels) if describe else None
        return Piece(file.name, {}, {1: mel}, mel.shape[1], {}, texts)


def generator_of(
    pipeline: Pipeline, prior: Prior, sampling: PriorSampling = PriorSampling()
) -> "Generator | MelGenerator":
    """The generator that renders what a prior draws: codes, or log-mels.

    Raises:
        UserError: the prior is of another model than the pipeline's.
    """
    if prior.model.startswith(MEL):
        return MelGenerator(prior, sampling)
    return Generator(pipeline, prior, sampling)


class MelGenerator:
    """Renders a prior over log-mels, with the methods of `Generator` that such a prior allows."""

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
        """Render a request into a wav, flac or ogg file, as loud as `Generator` makes one without a source.

        Raises:
            UserError: the request gives a source, or the file cannot be written.
        """
        audio.check_writable(path)
        if any(source is not None for source in (request.timbre, request.melody, request.beginning)):
            raise UserError(
                f"the prior {self.prior.kind} is over log-mels, which know no timbre and no melody; give one "
                "over codes, or leave out the sources"
            )
        waveforms = self.many(1, request.seconds, request.seed, request.text)
        return write_mastered(path, waveforms, FixedLoudness(LOUDNESS), self.rate)
