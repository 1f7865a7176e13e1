"""Windows of sound to codes and tokens."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from msdae.audio.mel import LogMel
from msdae.audio.windows import Source
from msdae.codecs.base import Codec
from msdae.models.autoencoder import Autoencoder

TOKENS, LEVELS = "tokens", "levels of tokens"  # beside the codes of windows


@dataclass(frozen=True)
class Job:
    """A source to encode: `samples` of it (None: as it is), for `levels`."""

    source: Source
    samples: int | None
    levels: tuple[int, ...]


def window_codes(
    model: Autoencoder, codec: Codec, log_mel: LogMel, waveforms: torch.Tensor, levels: Sequence[int]
) -> dict[int | str, torch.Tensor]:
    """(windows, samples) -> {level: (windows, channels, code frames)}; with level 1 also its tokens (windows,
    channels, tokens) and how loud each is (windows, tokens), where the model has them."""
    if not model.needs_mel:
        encoded = model.encode(codec.encode(waveforms), None)
        return {level: encoded[level - 1] for level in levels}
    mel = log_mel(waveforms)
    codes: dict[int | str, torch.Tensor] = {level: model.encode_level(level - 1, mel) for level in levels}
    if 1 in levels and (tokens := model.encode_tokens(mel)) is not None:
        codes[TOKENS], codes[LEVELS] = tokens
    return codes
