"""Does a codec reconstruct? Asked before a training is spent on its latents."""

import math

import torch

from msdae.codecs.base import Codec
from msdae.errors import UserError
from msdae.spectral import LogMel, MelConfig

RANGE = 60.0  # dB below the loudest band that are compared; what is quieter is masked
SILENCE = 1e-4  # peak amplitude
LIMIT = 9.0  # dB; a codec that reconstructs stays well below, random weights well above


@torch.no_grad()
def check_round_trip(codec: Codec, waveforms: torch.Tensor) -> float:
    """Mean distance in dB between the log-mels of `waveforms` and of decode(encode(waveforms)).

    waveforms: (batch, samples), mono, [-1, 1]. Levels stop at `RANGE` dB below the loudest band of each
    waveform; where both are below there is nothing to compare. Silent waveforms are left out. 0 is a
    perfect codec.

    Raises:
        UserError: all waveforms are silent, so that nothing can be measured.
    """
    waveforms = waveforms[waveforms.abs().amax(1) > SILENCE]
    if len(waveforms) == 0:
        raise UserError("silent clips cannot tell whether a codec reconstructs; choose clips with sound")
    decoded = codec.decode(codec.encode(waveforms))[:, : waveforms.shape[-1]]
    if not decoded.isfinite().all():
        return math.inf
    mels = LogMel(MelConfig(sample_rate=codec.sample_rate)).to(waveforms.device)
    before, after = (torch.expm1(mels(sound)) for sound in (waveforms, decoded))
    floor = before.amax((1, 2), keepdim=True) * 10 ** (-RANGE / 20)
    audible = (before > floor) | (after > floor)
    difference = torch.log10(before.maximum(floor)) - torch.log10(after.maximum(floor))
    return 20 * difference[audible].abs().mean().item()


def require_round_trip(codec: Codec, waveforms: torch.Tensor) -> float:
    """`check_round_trip`, which must be within `LIMIT`.

    Raises:
        UserError: the codec does not reconstruct `waveforms`.
    """
    distance = check_round_trip(codec, waveforms)
    if not distance <= LIMIT:
        raise UserError(
            f"codec '{codec.name}' does not reconstruct: decoded clips are {distance:.1f} dB from their "
            f"originals (limit {LIMIT:.0f} dB); are its weights the trained ones?"
        )
    return distance
