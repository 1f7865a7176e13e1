"""A first thing to hear: two rendered recordings, and the melody of one with the timbre of the other."""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from msdae import audio, cli, commands
from msdae.data import soundfont
from msdae.errors import UserError

BEAT = 0.5  # seconds
PIANO, FLUTE = 0, 73  # General MIDI programs
LEVEL = 0.5  # peak of the rendered recordings

# (MIDI pitch, beats); traditional melodies
FRERE_JACQUES = [
    *[(60, 1), (62, 1), (64, 1), (60, 1)] * 2,
    *[(64, 1), (65, 1), (67, 2)] * 2,
]  # fmt: skip
ODE_TO_JOY = [
    (76, 1), (76, 1), (77, 1), (79, 1), (79, 1), (77, 1), (76, 1), (74, 1),
    (72, 1), (72, 1), (74, 1), (76, 1), (76, 1.5), (74, 0.5), (74, 2),
]  # fmt: skip


def main() -> None:
    parser = cli.parser(
        "Render two example recordings and swap the timbre of one into the other.",
        "python experiments/demo.py --out demo",
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder of the results")
    parser.add_argument("--checkpoint", default="embedded", help="as for experiments/swap.py")
    cli.add_device(parser)
    options = parser.parse_args()

    commands.make_folder(options.out)
    timbre, melody = options.out / "timbre-piano.wav", options.out / "melody-flute.wav"
    swapped, picture = options.out / "swap.wav", options.out / "swap.png"
    begin = time.perf_counter()
    render(timbre, FRERE_JACQUES, PIANO)
    render(melody, ODE_TO_JOY, FLUTE)
    rendered = time.perf_counter()
    chosen = {"checkpoint": options.checkpoint, "device": options.device}
    swap({"timbre": timbre, "melody": melody, "out": swapped, "plot": picture, **chosen})
    done = time.perf_counter()

    print(f"timbre source  {timbre.resolve()}")
    print(f"melody source  {melody.resolve()}")
    print(f"swap           {swapped.resolve()}")
    print(f"log-mels       {picture.resolve()}")
    print(f"rendered the two sources in {rendered - begin:.1f} s, swapped in {done - rendered:.1f} s")


def render(path: Path, melody: Sequence[tuple[int, float]], program: int) -> None:
    """Play `melody` once with a General MIDI program of the default SoundFont."""
    notes, onset = [], 0.0
    for pitch, beats in melody:
        offset = onset + beats * BEAT
        notes.append((onset, offset, pitch, 100))
        onset = offset
    samples = round((onset + BEAT) * audio.SAMPLE_RATE)  # a beat more for the last note to fade
    waveform = soundfont.render(notes, soundfont.default(), program, samples)
    audio.write(path, LEVEL * waveform / waveform.abs().max())


def swap(options: Mapping[str, object]) -> None:
    """Run the command line that a user would type, and show it.

    Raises:
        UserError: it failed; it has said why.
    """
    script = Path(__file__).with_name("swap.py")
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    print(f"$ python {script.parent.name}/{script.name} {' '.join(arguments)}", flush=True)
    if subprocess.run([sys.executable, str(script), *arguments]).returncode:
        raise UserError("the swap did not succeed; its message is above")


if __name__ == "__main__":
    cli.run(main)
