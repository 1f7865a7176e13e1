"""Swap four pairs of rendered recordings and score the results."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from msdae import audio, cli
from msdae.commands import swap as swap_command
from msdae.evaluation.metrics import timbre
from msdae.evaluation.metrics.melody import note_f1, transcribe
from msdae.evaluation.swapbench.scores import instruments
from msdae.symbolic.instruments import INSTRUMENTS
from msdae.symbolic.notes import Note
from msdae.synthesis import soundfont

BEAT = 0.5  # seconds
LEVEL = 0.5  # peak of the rendered recordings
# (timbre source, melody source): names and General MIDI programs
PAIRS = (
    (("piano", 0), ("flute", 73)),
    (("trumpet", 56), ("koto", 107)),
    (("strings", 48), ("ocarina", 79)),
    (("steel-drums", 114), ("soprano-sax", 64)),
)

# (MIDI pitch, beats); traditional melodies
FRERE_JACQUES = [
    *[(60, 1), (62, 1), (64, 1), (60, 1)] * 2,
    *[(64, 1), (65, 1), (67, 2)] * 2,
]  # fmt: skip
ODE_TO_JOY = [
    (64, 1), (64, 1), (65, 1), (67, 1), (67, 1), (65, 1), (64, 1), (62, 1),
    (60, 1), (60, 1), (62, 1), (64, 1), (64, 1.5), (62, 0.5), (62, 2),
]  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "demo",
        "Render four pairs of recordings, swap the timbre of one into the other, and score the result.",
        "--out demo",
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--checkpoint", default="embedded", help="as for swap")
    cli.add_device(parser)
    options = parser.parse_args(argv)

    cli.make_folder(options.out)
    begin = time.perf_counter()
    rows = []
    for number, (sound, tune) in enumerate(PAIRS, 1):
        files = {
            "timbre": options.out / f"{number}-timbre-{sound[0]}.wav",
            "melody": options.out / f"{number}-melody-{tune[0]}.wav",
            "out": options.out / f"{number}-swap.wav",
            "plot": options.out / f"{number}-swap.png",
        }
        render(files["timbre"], notes_of(FRERE_JACQUES), sound[1])
        render(files["melody"], notes_of(ODE_TO_JOY), tune[1])
        swap({**files, "checkpoint": options.checkpoint, "device": options.device})
        rows.append((f"{tune[0]} -> {sound[0]}", *score(files["out"], sound[1])))
    print(f"\n{'melody -> sound':28s} {'melody F1':>9s} {'played':>7s} {'nearest instrument of 36'}")
    for name, swapped, played, nearest in rows:
        print(f"{name:28s} {swapped:9.2f} {played:7.2f} {nearest}")
    print("played: the F1 of the same notes rendered by the sound's own instrument")
    print(f"everything is in {options.out.resolve()}, made in {time.perf_counter() - begin:.0f} s")


def notes_of(tune: Sequence[tuple[int, float]]) -> list[Note]:
    """`tune` once, from its beginning."""
    notes, onset = [], 0.0
    for pitch, beats in tune:
        notes.append((onset, onset + beats * BEAT, pitch, 100))
        onset += beats * BEAT
    return notes


def play(notes: Sequence[Note], program: int) -> torch.Tensor:
    """`notes` by a General MIDI program of the default SoundFont: (samples,)."""
    samples = round((notes[-1][1] + BEAT) * audio.SAMPLE_RATE)  # a beat more for the last note to fade
    waveform = soundfont.render(notes, soundfont.default(), program, samples)
    return LEVEL * waveform / waveform.abs().max()


def render(path: Path, notes: Sequence[Note], program: int) -> None:
    """Write what `play` gives to a file."""
    audio.write(path, play(notes, program))


def score(swapped: Path, program: int) -> tuple[float, float, str]:
    """Melody F1 of the swap and of the truth, and the instrument that the swap sounds like."""
    notes, rate = notes_of(ODE_TO_JOY), audio.SAMPLE_RATE
    waveforms = torch.stack([audio.read(swapped), play(notes, program)])
    f1 = [note_f1(np.array(notes), transcribe(waveform, rate)) for waveform in waveforms]
    nearest = instruments("test", "melodies").nearest(timbre.load().embed(waveforms[:1], rate)[0])
    names = {kind.program: kind.name for kind in INSTRUMENTS}
    return *f1, names[nearest] + (" (right)" if nearest == program else f" (it is {names[program]})")


def swap(options: Mapping[str, object]) -> None:
    """Run the command line that a user would type, and show it."""
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    print(f"$ {cli.command_line('swap', arguments)}", flush=True)
    swap_command.main(arguments)
