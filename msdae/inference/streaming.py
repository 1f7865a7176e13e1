"""Live swaps, while the melody source is being played: blocks of sound in, blocks of sound out.

Every few latent frames a window is sampled, which ends with the latest input. Frames that an earlier window
has sampled stay as they are: they replace the denoiser's estimates at every noise level, as in outpainting
(Lugmayr et al. 2022, "RePaint", without its resampling). The last frames of a window, whose future is not
known, are sampled again by the next one and are not played.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import nullcontext
from itertools import chain
from typing import Any

import torch

from msdae.audio.levels import HOP, MODEL_PEAK
from msdae.audio.loudness import OUTPUT_PEAK, Loudness, matching_gain
from msdae.audio.samples import as_block
from msdae.audio.windows import crossfade_level
from msdae.errors import UserError
from msdae.inference import dropouts
from msdae.inference.codes import Codes
from msdae.inference.encoding import brings_dynamics, window_codes
from msdae.inference.longform import noise
from msdae.inference.pipeline import Pipeline
from msdae.inference.settings import LiveConfig

FADE = 1024  # samples of the cross-fade between the sounds of two windows and between their gains, at most
KNEE = 0.7 * OUTPUT_PEAK  # larger samples are compressed, so that all stay under -1 dBFS
MEMORY = 1.0  # seconds over which loudness is matched
LOUDEST = 8.0  # highest gain, so that noise of an empty room stays noise
LEVEL = MODEL_PEAK  # peak to which the input's loud parts are brought for the model, as in training
QUIETEST = LEVEL / 100  # lowest peak of the input that is brought to LEVEL; softer input stays softer
FORGOTTEN = 10.0  # seconds in which the measured level of the input falls by half
EDGE = 3  # latent frames at the end of a window, whose codes are those of a sound that stops
CLICK = 4  # parts of `HOP` samples of a window that are ignored as clicks


class Engine:
    """A function block -> block: it plays its input with another sound, `delay` samples later.

    The result does not depend on how the input is cut into blocks.

    Args:
        pipeline: model, codec and sampling, as at construction; fewer steps are faster.
        sound: codes with level 1, as `encoding.timbre_of` returns them for a timbre source or a learnt sound.
        config: when windows are sampled.

    Attributes:
        sample_rate: of blocks, in Hz. stride: samples between two windows. delay: samples from input to
            output. fade: samples of the cross-fade between windows, at most a stride and the frames ahead.
        unet: the network that denoises.

    Raises:
        UserError: level 1 of the model is not pooled, the codes are of another model, the window is too short
            for `config`, or guidance is for other levels.
        TypeError: `sound` is not `Codes`; `encoding.timbre_of` returns those of a learnt sound.
    """

    def __init__(self, pipeline: Pipeline, sound: Codes, config: LiveConfig = LiveConfig()):
        model, codec = pipeline.model, pipeline.codec
        if not model.pooled[0]:
            raise UserError("level 1 of this model changes over time; live it has to be pooled")
        pipeline.require_codes([sound])
        if 2 * (config.stride + config.ahead) > pipeline.window:
            half = pipeline.window // 2
            reason = f"windows of {pipeline.window} latent frames; give {half} at most together"
            raise UserError(f"stride {config.stride} and ahead {config.ahead}: too long for {reason}")
        self.pipeline, self.config = pipeline, config
        self.sample_rate, self.stride = codec.sample_rate, config.stride * codec.hop
        self.delay = (config.stride + config.ahead) * codec.hop
        self.fade = min(FADE, self.stride, config.ahead * codec.hop)
        pipeline.model.guidance_weights(pipeline.sampling.guidance)  # raises before anything plays
        route = pipeline.route()
        self._route = route.for_learnt_sound() if sound.adapter else route
        self.unet = self._route.unet()  # a student is read and merged before anything plays
        self._adapter = sound.adapter and sound.adapter.copy().to(pipeline.device)
        self._even = brings_dynamics(pipeline.sampling.dynamics, sound.adapter is not None)
        self._timbre = sound[1].to(pipeline.device, torch.float32)
        self._tokens = sound.tokens and sound.tokens.to(pipeline.device)
        silence = torch.zeros(1, codec.clip_samples)
        self._heard = silence[0]  # the last window of the input
        self._played = silence[0].clone()  # the last window of the rendering, before its gain
        self._z = codec.encode(silence.to(pipeline.device))
        self._windows = 0  # windows sampled so far
        self._state: Any = None  # of the codec after its last piece
        self._tail = torch.zeros(self.fade)  # of the last piece, over which the next one is faded in
        self._gain = 0.0
        self._level = QUIETEST
        self._waiting = torch.zeros(0)  # input of less than a stride
        self._ready = torch.zeros(self.stride)  # output; the rest of the delay is inside the window

    def __call__(self, block: torch.Tensor) -> torch.Tensor:
        """The next block of input, (samples,) -> as much output, on the CPU.

        NaN and infinity become silence, and samples are clipped to full scale.

        Raises:
            UserError: the block has another shape, or is not of floating numbers.
        """
        finite = torch.nan_to_num(as_block(block), 0.0, 0.0, 0.0).clamp(-1, 1)
        self._waiting = torch.cat([self._waiting, finite])
        while len(self._waiting) >= self.stride:
            piece, self._waiting = self._waiting[: self.stride], self._waiting[self.stride :]
            self._ready = torch.cat([self._ready, self._swapped(piece)])
        output, self._ready = self._ready[: len(block)], self._ready[len(block) :]
        return output

    def _swapped(self, piece: torch.Tensor) -> torch.Tensor:
        """The next stride of the input -> the next stride of the output, `config.ahead` frames behind it."""
        self._heard = torch.cat([self._heard[self.stride :], piece])
        place = self.pipeline.device
        start = self.noise(self._windows).to(place)
        self._level = max(self._level * forgetting(self.stride, self.sample_rate), loud_peak(self._heard))
        heard = LEVEL / self._level * self._heard[None].to(place)
        self._z, waveform, self._state = self.window(heard, self._z, start, self._state)
        self._windows += 1
        sound, tail = waveform[0].cpu().split([self.stride, self.fade])
        faded = crossfade_level(self._tail, sound[: self.fade])
        self._tail = tail
        return self._mastered(torch.cat([faded, sound[self.fade :]]))

    def noise(self, number: int) -> torch.Tensor:
        """Standard normal noise, (1, channels, frames), from which window `number` is sampled."""
        pipeline, stride = self.pipeline, self.config.stride
        frames, channels = pipeline.window, pipeline.codec.channels
        return noise(pipeline.sampling.seed, channels, frames, stride, number * stride)[None]

    @torch.no_grad()
    def window(
        self, heard: torch.Tensor, z: torch.Tensor, start: torch.Tensor, state: Any = None
    ) -> tuple[torch.Tensor, torch.Tensor, Any]:
        """Sample and decode one window; the result depends only on the arguments.

        heard: the last samples of the input at `LEVEL`, (1, samples of a window). z: latents of the window
            before. start: noise, (1, channels, frames). state: of the codec, returned with the window before.

        Returns:
            the window's latents (1, channels, frames), the sound of the stride that is played next and of a
            fade after it, (1, stride + fade), and the codec's state.
        """
        pipeline, config, model = self.pipeline, self.config, self.pipeline.model
        codec, levels = pipeline.codec, range(2, model.stage + 1)
        codes = window_codes(model, codec, pipeline.log_mel, heard, levels, self._even)
        conditions = [self._timbre, *(codes[level] for level in levels)]
        before = torch.cat([z[..., config.stride :], z[..., : config.stride]], dim=-1)
        first = pipeline.window - config.stride - config.ahead  # the first new frame
        known = torch.arange(pipeline.window, device=heard.device) < first
        with self._adapter.applied(self.unet) if self._adapter else nullcontext():
            inner = self._route.denoiser(conditions, tokens=self._tokens)
            z = self._route.solve(lambda x, sigma: torch.where(known, before, inner(x, sigma)), start)
        z = torch.where(known, z, self._held(z, codes))
        waveform, state = codec.continued(z, first, config.stride, state, heard)
        return z, waveform[:, : self.stride + self.fade], state

    def _held(self, z: torch.Tensor, codes: Mapping[int | str, torch.Tensor]) -> torch.Tensor:
        """Latents z of a window, (1, channels, frames), with dropouts filled. codes: its codes, by level."""
        silence, frames = self.pipeline.silence, torch.arange(z.shape[2], device=z.device)
        if not silence.levels:
            return z
        code = codes[level := max(silence.levels)][0]
        content = code[:, frames.clamp(max=len(frames) - 1 - EDGE) * code.shape[1] // len(frames)]
        return z[..., dropouts.places(z[0], content, silence.z, silence.frame(level))]

    def _mastered(self, sound: torch.Tensor) -> torch.Tensor:
        """The next stride of the rendering with the loudness that the input had at that time."""
        self._played = torch.cat([self._played[self.stride :], sound])
        ahead, samples = self.delay - self.stride, round(MEMORY * self.sample_rate)
        heard = self._heard[: len(self._heard) - ahead]
        gain = min(_loudness_gain(self._played[-samples:], heard[-samples:], self.sample_rate), LOUDEST)
        rest = torch.full((len(sound) - self.fade,), gain)
        ramp = torch.cat([torch.linspace(self._gain, gain, self.fade), rest])
        self._gain = gain
        return bent(ramp * sound)


def loud_peak(heard: torch.Tensor) -> float:
    """The peak of a window (samples,) without its `CLICK` loudest parts; `QUIETEST` at least."""
    peaks = heard[: len(heard) // HOP * HOP].abs().view(-1, HOP).amax(dim=1)
    return max(float(peaks.topk(CLICK + 1).values[-1]), QUIETEST)


def forgetting(samples: int, sample_rate: int) -> float:
    """The factor by which the measured level falls within `samples` samples."""
    return 0.5 ** (samples / sample_rate / FORGOTTEN)


def rendered(engine: Engine, blocks: Iterable[torch.Tensor]) -> Iterator[torch.Tensor]:
    """Blocks of a recording, as the engine plays them; without its delay, as long as the recording in all."""
    early = engine.delay
    for block in chain(blocks, torch.zeros(engine.delay).split(engine.stride)):
        output = engine(block)
        yield output[early:]
        early = max(0, early - len(output))


def _loudness_gain(rendering: torch.Tensor, reference: torch.Tensor, sample_rate: int) -> float:
    """The factor that gives `rendering` the loudness of `reference`."""
    measured = Loudness(sample_rate), Loudness(sample_rate)
    for loudness, waveform in zip(measured, (rendering, reference), strict=True):
        loudness.add(waveform)
    return matching_gain(*measured)


def bent(waveform: torch.Tensor, knee: float = KNEE, peak: float = OUTPUT_PEAK) -> torch.Tensor:
    """`waveform`, with samples above `knee` compressed smoothly, so that they stay under `peak`.

    It can be compiled to TorchScript, which knows no constants of a module.
    """
    over = (waveform.abs() - knee).clamp_min(0)
    room = peak - knee
    return waveform - waveform.sign() * (over - room * torch.tanh(over / room))
