"""Windows of sound to codes and tokens."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from msdae.audio import dynamics
from msdae.audio.mel import LogMel
from msdae.audio.windows import Source, batched, cut, looped, padded
from msdae.codecs.base import Codec
from msdae.inference.codes import LENGTH, Codes
from msdae.inference.latents import Advance, Silence, ignored
from msdae.inference.settings import AUTO, SOUND, Mix
from msdae.inference.sounds import known_codes
from msdae.inference.sources import Melody, require_audible, timbre_source
from msdae.inference.unknown import UNKNOWN_SOUND, learnt
from msdae.models.autoencoder import Autoencoder
from msdae.nn.tokens import Tokens, gathered

logger = logging.getLogger(__name__)
QUIET = 1e-3  # a window with less than this share of the loudest one's power says nothing about a sound
TOKENS, LOUDNESS = "tokens", "loudness of tokens"  # keys of `window_codes` beside the levels


@dataclass(frozen=True)
class Job:
    """A source to encode.

    samples: length that it is repeated or cut to; None: its own. levels: levels that are encoded.
    even: whether its dynamics are evened out first.
    """

    source: Source
    samples: int | None
    levels: tuple[int, ...]
    even: bool = False

    @property
    def length(self) -> int:
        """How many samples are encoded."""
        return self.samples or self.source.samples


def jobs(pipeline: Any, mix: Mix, strength: float) -> tuple[list[Job], list[Job]]:
    """What a `Pipeline` has to encode for a mix, of its melody source and of others; nothing twice.

    A pooled level is encoded from all of its source, other levels from as much as the melody lasts, repeated
    if need be.

    mix: a resolved one. strength: in place of the mix's own.
    """
    model, clip = pipeline.model, pipeline.codec.clip_samples
    levels = tuple(range(1, model.stage + 1))
    heard: dict[tuple[Source, int], list[int]] = {}
    known = mix.codes
    for level, source in mix.levels.items():
        if level in known:
            continue
        samples = source.samples if model.pooled[level - 1] else mix.melody.samples
        heard.setdefault((source, max(samples, clip)), []).append(level)
    others = [Job(source, samples, tuple(own)) for (source, samples), own in heard.items()]
    even = model.pooled[0] and mix.levels.get(1, mix.melody) is not mix.melody and evens(pipeline, mix)
    rest = tuple(level for level in levels if level not in mix.levels)
    own = _own(model, mix.melody, rest if strength == 1 else levels, even and strength == 1)
    if even and strength < 1:
        others = [*_own(model, mix.melody, rest, even), *others]
    return own, others


def _own(model: Autoencoder, melody: Source, levels: tuple[int, ...], even: bool) -> list[Job]:
    """What is encoded of a melody source; pooled levels of a `Melody` are read from its `sound`."""
    if not isinstance(melody, Melody) or melody.sound is melody:
        return [Job(melody, None, levels, even)]
    pooled = tuple(level for level in levels if model.pooled[level - 1])
    timed = tuple(level for level in levels if level not in pooled)
    return [Job(melody, None, timed, even), *([Job(melody.sound, None, pooled)] if pooled else [])]


def evens(pipeline: Any, mix: Mix) -> bool:
    """Whether a rendering has the dynamics of its timbre (`brings_dynamics`); arguments as of `jobs`."""
    learnt = 1 in mix.codes and mix.codes[1].adapter is not None
    return brings_dynamics(pipeline.sampling.dynamics, learnt)


def brings_dynamics(dynamics: str, learnt: bool) -> bool:
    """Whether a swap has the dynamics of its timbre: those of the melody source are then evened out first.

    dynamics: as `Sampling.dynamics`. learnt: whether the sound is learnt.
    """
    return dynamics == SOUND or (dynamics == AUTO and learnt)


def timbre_of(pipeline: Any, timbre: Any, levels: Sequence[int] = (1,)) -> Codes:
    """The codes of a timbre for a `Pipeline`: of a timbre source, or of a `LearntSound`; `Codes` are returned
    as they are. A source is learnt first if need be (`unknown.learnt`), or repeated if shorter than a clip.

    levels: levels that are encoded.

    Raises:
        UserError: the source is silent, or the sound or codes are of another model; as `Pipeline.encode`.
    """
    if (known := known_codes(timbre)) is not None:
        pipeline.require_codes([known])
        return known
    source = timbre_source(timbre, pipeline.codec.sample_rate)
    require_audible([source])
    if tuple(levels) == (1,) and (sound := learnt(pipeline, source)) is not None:
        logger.info(UNKNOWN_SOUND)
        return sound.codes
    return pipeline.encode(source, samples=max(source.samples, pipeline.codec.clip_samples), levels=levels)


def encoded_once(pipeline: Any, every: Iterable[Job], advance: Advance = ignored) -> dict[Job, Codes]:
    """The codes of each job; equal ones are done once. Raises as `encoded`."""
    return {job: encoded(pipeline, job, advance) for job in dict.fromkeys(every)}


@torch.no_grad()
def encoded(pipeline: Any, job: Job, advance: Advance = ignored) -> Codes:
    """Encode the source of a job by the networks of a `Pipeline`.

    Raises:
        UserError: as the source's `blocks`; the source is too long.
    """
    samples, hop = job.length, pipeline.codec.hop
    length = pipeline.codec.frames(samples)
    LENGTH.check(length, "length, in latent frames")
    firsts = pipeline.starts(samples) if job.levels else []
    if samples > job.source.samples:
        blocks = looped(job.source)
    else:  # the last frame is read to its end: a cut inside it would be encoded as a click
        end = min(length * hop, job.source.samples)
        blocks = padded(job.source, end, max(length, pipeline.window) * hop)
    cuts = cut(blocks, [first * hop for first in firsts], pipeline.window * hop)
    # Memory is allocated once for each level: small tensors for each window would fragment it.
    codes: dict[int | str, torch.Tensor] = {}
    power, done = torch.zeros(len(firsts)), 0
    for batch in batched(cuts, pipeline.batch):
        windows = torch.stack(batch).to(pipeline.device)
        made = window_codes(pipeline.model, pipeline.codec, pipeline.log_mel, windows, job.levels, job.even)
        for level, code in made.items():
            if level not in codes:
                codes[level] = torch.empty(len(firsts), *code.shape[1:])
            codes[level][done : done + len(batch)] = code
        power[done : done + len(batch)] = windows.square().mean(dim=1)
        done += len(batch)
        advance(len(batch))
    levels, tokens = _whole(pipeline.model, codes, power)
    facts = length, samples, pipeline.fingerprint
    return Codes(levels, pipeline.window, pipeline.stride, *facts, tokens=tokens)


def _whole(
    model: Autoencoder, codes: dict[int | str, torch.Tensor], power: torch.Tensor
) -> tuple[dict[int, torch.Tensor], Tokens | None]:
    """Codes of all windows, as `window_codes` returns them -> {level: codes} and the tokens of a recording.

    A pooled level's code is the mean over the windows that are not too quiet (`QUIET`).

    power: mean square of each window, (windows,).
    """
    found = [codes.pop(name) for name in (TOKENS, LOUDNESS) if name in codes]
    tokens = gathered(*found, model.config.most_tokens) if found else None
    loud = power >= QUIET * power.max() if len(power) else power.bool()
    pooled = {level for level in codes if model.pooled[level - 1]}
    return {n: x[loud].mean(dim=0, keepdim=True) if n in pooled else x for n, x in codes.items()}, tokens


@torch.no_grad()
def silence(model: Autoencoder, codec: Codec, log_mel: LogMel, samples: int) -> Silence:
    """The codes and the latent of a silent window of `samples` samples."""
    window = torch.zeros(1, samples, device=next(model.parameters()).device)
    timed = [level for level, pooled in enumerate(model.pooled, 1) if not pooled]
    return Silence(window_codes(model, codec, log_mel, window, timed), codec.encode(window)[0, :, :1])


def window_codes(
    model: Autoencoder,
    codec: Codec,
    log_mel: LogMel,
    waveforms: torch.Tensor,
    levels: Sequence[int],
    even: bool = False,
) -> dict[int | str, torch.Tensor]:
    """Encode windows of sound, (windows, samples) -> {level: (windows, channels, code frames)}.

    With level 1, also its tokens {`TOKENS`: (windows, channels, tokens)} and how loud each is {`LOUDNESS`:
    (windows, tokens)}, if the model has tokens.

    even: whether the dynamics of the windows are evened out first.
    """
    if even:
        waveforms = dynamics.even(waveforms, codec.sample_rate)
    if not model.needs_mel:
        encoded = model.encode(codec.encode(waveforms), None)
        return {level: encoded[level - 1] for level in levels}
    mel = log_mel(waveforms)
    codes: dict[int | str, torch.Tensor] = {level: model.encode_level(level - 1, mel) for level in levels}
    if 1 in levels and (tokens := model.encode_tokens(mel)) is not None:
        codes[TOKENS], codes[LOUDNESS] = tokens
    return codes
