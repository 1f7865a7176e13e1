"""The sounds in the audio log of a training."""

import torch

from msdae.codecs import Codec
from msdae.data import Batch
from msdae.inference.pipeline import Pipeline
from msdae.models.autoencoder import Autoencoder


def listen(model: Autoencoder, codec: Codec, batch: Batch) -> dict[str, torch.Tensor]:
    """Reconstructions of a batch's clips, and swaps of their level 1: {name: (samples,)}.

    In the swaps, each clip has the level 1 of the one before. The clips are decoded from the batch's latents.
    """
    pipeline = Pipeline(model, codec)
    codes = [pipeline.encode(clip) for clip in pipeline.decode(batch.z)]
    others = [codes[-1], *codes[:-1]]
    swaps = [pipeline.mix(code, {1: other}) for code, other in zip(codes, others, strict=True)]
    waveforms = {}
    for name, mixes in (("reconstruction", codes), ("swap of level 1", swaps)):
        for index, z in enumerate(pipeline.sample(mixes)):
            waveforms[f"{name}/{index}"] = pipeline.decode(z)
    return waveforms
