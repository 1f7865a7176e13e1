"""Checks that a codec reconstructs sound, before a model is trained on its latents."""

import math

import torch

from msdae.audio.mel import LogMel, MelConfig
from msdae.codecs.base import Codec
from msdae.errors import UserError

RANGE = 60.0  # dB below the loudest band that are compared; quieter bands are masked
SILENCE = 1e-4  # magnitude of the loudest band, times the gain, up to which a recording is silent
LIMIT = 9.0  # dB; a codec that reconstructs stays well below, one with random weights is well above
COARSE = (
    "are its weights the trained ones? Over one that is meant to be so coarse, train with "
    "--set coarse_codec=true"
)


def check_round_trip(codec: Codec, waveforms: torch.Tensor) -> float:
    """`check_decoding` for waveforms (batch, samples), mono, [-1, 1]."""
    config = MelConfig(sample_rate=codec.sample_rate)
    return check_decoding(
        codec, codec.encode(waveforms), LogMel(config).to(waveforms.device)(waveforms), config
    )


@torch.no_grad()
def check_decoding(codec: Codec, z: torch.Tensor, mel: torch.Tensor, config: MelConfig) -> float:
    """The mean distance in dB between the mel spectrograms of recordings and of their decoded latents.

    Levels are clipped at `RANGE` dB below the loudest band of each recording; bands in which both are lower
    do not count, and neither do silent recordings. A perfect codec has 0, one that decodes to NaN has inf.

    z: latents (batch, channels, frames). mel: `LogMel(config)` of the recordings, (batch, bands, mel frames).

    Raises:
        UserError: all recordings are silent, so that nothing can be measured.
    """
    before = torch.expm1(mel)
    sounding = before.amax((1, 2)) > SILENCE
    if not sounding.any():
        raise UserError("silent clips cannot tell whether a codec reconstructs; choose clips with sound")
    before, decoded = before[sounding], codec.decode(z[sounding])
    if not decoded.isfinite().all():
        return math.inf
    after = torch.expm1(LogMel(config).to(decoded.device)(decoded))[..., : before.shape[-1]]
    floor = before.amax((1, 2), keepdim=True) * 10 ** (-RANGE / 20)
    audible = (before > floor) | (after > floor)
    difference = torch.log10(before.maximum(floor)) - torch.log10(after.maximum(floor))
    return 20 * difference[audible].abs().mean().item()


def require_reconstruction(codec: Codec, distance: float, fix: str = COARSE) -> None:
    """Check that a distance from `check_decoding` is within `LIMIT`. fix: what to do if it is not.

    Raises:
        UserError: the codec does not reconstruct.
    """
    if not distance <= LIMIT:
        raise UserError(
            f"codec '{codec.name}' does not reconstruct: decoded clips are {distance:.1f} dB from their "
            f"originals (limit {LIMIT:.0f} dB); {fix}"
        )
