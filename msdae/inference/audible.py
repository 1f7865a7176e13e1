"""What can be heard of a source."""

import math
from itertools import compress, islice

import torch
import torch.nn.functional as F

from msdae.audio.windows import Source, parts

AUDIBLE = 1e-3  # half of the range of a part that can be heard
FAINT = 10 ** (-30 / 20)  # of the loudest part; where all that is near is softer there is noise, no sound
PART = 8192  # samples
NEAR = 17  # parts: three seconds about one
HEARD = 12  # seconds that can be heard, which are taken


def audible(source: Source, rate: int) -> torch.Tensor:
    """The first `HEARD` seconds (samples,) of what can be heard of a source at `rate` Hz; maybe nothing."""
    levels = torch.tensor([float(part.max() - part.min()) / 2 for part in parts(source, PART)])
    near = F.max_pool1d(levels[None], NEAR, 1, NEAR // 2)[0]
    heard = (levels > AUDIBLE) & (near > FAINT * levels.max())
    most = HEARD * rate
    chosen = islice(compress(parts(source, PART), heard.tolist()), math.ceil(most / PART))
    return torch.cat([torch.zeros(0), *chosen])[:most]
