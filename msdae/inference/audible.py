"""The audible parts of a source."""

import math
from itertools import compress, islice

import torch
import torch.nn.functional as F

from msdae.audio.levels import FAINT, HOP, PART, Levelled
from msdae.audio.windows import parts

AUDIBLE = 1e-3  # a part can be heard if half of its range is above this
SIZE = HOP * PART  # samples of a part
NEAR = 17  # parts, three seconds with a part in their middle
HEARD = 12  # audible seconds that are taken, at most


def audible(source: Levelled, rate: int) -> torch.Tensor:
    """The first `HEARD` seconds, (samples,) at `rate` Hz, of the audible parts of a source; maybe none.

    A part is left out as noise if all parts near it are much softer than the loudest one.
    """
    near = F.max_pool1d(source.ranges[None], NEAR, 1, NEAR // 2)[0]
    heard = (source.ranges > AUDIBLE) & (near > FAINT * source.ranges.max())
    most = HEARD * rate
    chosen = islice(compress(parts(source, SIZE), heard.tolist()), math.ceil(most / SIZE))
    return torch.cat([torch.zeros(0), *chosen])[:most]
