"""What the audio log of a training plays."""

import numpy as np
import torch

from msdae.codecs import Codec
from msdae.data import Batch
from msdae.diffusion import samplers
from msdae.models.autoencoder import Autoencoder


@torch.no_grad()
def listen(model: Autoencoder, codec: Codec, batch: Batch) -> dict[str, torch.Tensor]:
    """Reconstructions of the clips of a batch and swaps of their first level: (samples,) by name."""
    device = next(model.parameters()).device
    codes = model.encode(batch.z.to(device), batch.mel.to(device))
    strengths = [1.0] + [0.0] * (model.stage - 1)
    swapped = model.mix(codes, [code.flip(0) for code in codes], strengths)
    noise = np.random.default_rng(0).standard_normal(batch.z.shape, np.float32)
    waveforms = {}
    for name, mixed in (("reconstruction", codes), ("swap of level 1", swapped)):
        z = samplers.sample(model.denoiser(mixed), torch.from_numpy(noise).to(device))
        waveforms |= {f"{name}/{index}": clip for index, clip in enumerate(codec.decode(z.cpu()))}
    return waveforms
