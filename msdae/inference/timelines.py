"""Codes of overlapping windows as one timeline, and a timeline as codes of windows."""

import math

import torch

from msdae.audio.windows import starts
from msdae.inference.codes import Codes
from msdae.inference.pipeline import Pipeline
from msdae.models.priors.grid import Grid, Timeline


def timeline(codes: Codes, grid: Grid) -> dict[int, torch.Tensor]:
    """Codes of overlapping windows as a timeline of the same levels: {level: (1, channels, code frames)}.

    The first half of an overlap is taken from the earlier window, the second from the later one.
    """
    levels = {}
    for number, code in codes.levels.items():
        size = grid.levels[number - 1].frames
        if not size:
            levels[number] = code
            continue
        parts, done = [], 0
        for start, window in zip(codes.starts, code, strict=True):
            first = start // size
            begin = first + (done - first) // 2 if parts else 0
            if parts:
                parts.append(window[:, begin - first :])
                parts[-2] = parts[-2][:, : parts[-2].shape[1] - (done - begin)]
            else:
                parts.append(window)
            done = first + window.shape[1]
        levels[number] = torch.cat(parts, dim=1)[None, :, : -(-codes.length // size)]
    return levels


def room(pipeline: Pipeline, samples: int) -> int:
    """Latent frames of as many whole windows as `samples` samples need."""
    frames, window, stride = pipeline.codec.frames(samples), pipeline.window, pipeline.stride
    return window + stride * max(0, math.ceil((frames - window) / stride))


def windowed(levels: Timeline, grid: Grid, pipeline: Pipeline, samples: int) -> Codes:
    """A timeline of all levels, (1, channels, code frames) each, as codes that `pipeline` renders.

    levels: the timeline, at least as long as `room(pipeline, samples)`.
    """
    length, codes = room(pipeline, samples), {}
    firsts = starts(length, pipeline.window, pipeline.stride)
    for number, code in levels.items():
        size = grid.levels[number - 1].frames
        if size:
            frames = pipeline.window // size
            code = torch.stack([code[0, :, s // size : s // size + frames] for s in firsts])
        codes[number] = code.cpu().contiguous()
    facts = pipeline.window, pipeline.stride, length, samples, pipeline.fingerprint
    return Codes(dict(sorted(codes.items())), *facts)
