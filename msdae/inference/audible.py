"""What can be heard of a source."""

import math
from itertools import compress, islice

import torch
import torch.nn.functional as F

from msdae.audio.levels import FAINT, HOP, PART, Levelled
from msdae.audio.windows import parts

AUDIBLE = 1e-3  # half of the range of a part that can be heard
SIZE = HOP * PART  # samples of a part
NEAR = 17  # parts: three seconds about one
HEARD = 12  # seconds that can be heard, which are taken


def audible(source: Levelled, rate: int) -> torch.Tensor:
    """The first `HEARD` seconds (samples,) of what can be heard of a source at `rate` Hz; maybe nothing.

    Where all that is near is much softer than the loudest part there is noise, no sound.
    """
    near = F.max_pool1d(source.ranges[None], NEAR, 1, NEAR // 2)[0]
    heard = (source.ranges > AUDIBLE) & (near > FAINT * source.ranges.max())
    most = HEARD * rate
    chosen = islice(compress(parts(source, SIZE), heard.tolist()), math.ceil(most / SIZE))
    return torch.cat([torch.zeros(0), *chosen])[:most]
