"""What can be heard of a source."""

import torch

from msdae.audio.windows import Source, parts

AUDIBLE = 1e-3  # peak of a part that can be heard
PART = 8192  # samples
HEARD = 12  # seconds that can be heard, which are taken


def audible(source: Source, rate: int) -> torch.Tensor:
    """The first `HEARD` seconds (samples,) of what can be heard of a source at `rate` Hz; maybe nothing."""
    heard, samples, most = [torch.zeros(0)], 0, HEARD * rate
    for part in parts(source, PART):
        if samples >= most:
            break
        if part.abs().max() > AUDIBLE:
            heard.append(part)
            samples += len(part)
    return torch.cat(heard)[:most]
