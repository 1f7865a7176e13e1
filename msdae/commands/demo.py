"""Swap eight pairs of rendered recordings, learn a sound from five seconds of it, and score the results."""

import filecmp
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import audio, cli, files
from msdae.commands import learn_sound
from msdae.errors import UserError, printable
from msdae.inference.settings import NEVER, Mix
from msdae.limits import LEARNING, LEARNING_SECONDS
from msdae.symbolic.instruments import INSTRUMENTS
from msdae.symbolic.notes import Note
from msdae.symbolic.tunes import BEAT, FRERE_JACQUES, ODE_TO_JOY, notes_of

if TYPE_CHECKING:
    import torch

    from msdae.evaluation.swapbench.scores import Instruments
    from msdae.evaluation.tables import Table, Value
    from msdae.inference.pipeline import Pipeline

LEVEL = 0.5  # peak of the rendered recordings
# ((name, General MIDI program) of the timbre source, the same of the melody source)
PAIRS = (
    (("piano", 0), ("flute", 73)),
    (("trumpet", 56), ("koto", 107)),
    (("strings", 48), ("ocarina", 79)),
    (("steel-drums", 114), ("soprano-sax", 64)),
    (("clarinet", 71), ("piano", 0)),
    (("nylon-guitar", 24), ("trumpet", 56)),
    (("flute", 73), ("steel-drums", 114)),
    (("marimba", 12), ("violin", 40)),
)

# What is learnt: name and program of an instrument of a SoundFont on which the model was not trained, and
# seconds of its sound.
UNKNOWN, UNKNOWN_PROGRAM, HEARD = "sitar", 104, 5.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "demo",
        "Render eight pairs of recordings, swap the timbre of one into the other, learn a sound that the\n"
        "model does not know from five seconds of it, and score the results.",
        "--out demo",
    )
    parser.add_argument("--out", type=Path, default=Path("demo"), help="folder to write the results to")
    seconds = cli.ranged(LEARNING, float)
    parser.add_argument(
        "--learn",
        dest="seconds",
        type=seconds,
        metavar="SECONDS",
        default=LEARNING_SECONDS,
        help="seconds for which the unknown sound is learnt",
    )
    cli.add_sampling(parser, without=["learn", "transpose"])
    options = parser.parse_args(argv)
    from msdae.evaluation.tables import Table

    check(options.out)
    begin = time.perf_counter()
    pipeline = cli.pipeline(options)
    rows = [swap(pipeline, options.out, number) for number in tqdm(range(1, 1 + len(PAIRS)), unit="swap")]
    right = sum(name.endswith("(right)") for *_, name in rows)
    note = (
        f"The instrument is right in {right} of {len(PAIRS)}. Another processor rounds otherwise and gives\n"
        "other samples: one or two instruments may change, and each F1 by a few notes.\n"
        "played: the F1 of the same notes rendered by the sound's own instrument."
    )
    header = ("melody -> sound", "melody F1", "played", f"nearest of {len(_known().programs)}")
    print(Table("Ode to Joy in the sound of another recording", header, tuple(rows), note).text())
    print(learn(pipeline, options.out, options.seconds).text())
    copy_first(options.out)
    print(f"everything is in {options.out.resolve()}, made in {time.perf_counter() - begin:.0f} s")


def check(folder: Path) -> None:
    """Make the folder of the results.

    Raises:
        UserError: it holds files that the demo does not make, or it cannot be written to.
    """
    files.make_folder(folder)
    names = {path.name for number in range(1, 1 + len(PAIRS)) for path in paths(folder, number)}
    names |= {path.name for path in learnt_paths(folder)}
    for path in sorted(folder.iterdir()):
        if path.name not in names and not path.name.startswith("."):
            raise UserError(f"{printable(path)}: not made by the demo; choose another --out")
    for name in names:
        files.check_replaceable(folder / name)


def paths(folder: Path, number: int) -> tuple[Path, Path, Path, Path]:
    """The files of pair `number`, counted from 1: timbre source, melody source, swap and picture."""
    (sound, _), (tune, _) = PAIRS[number - 1]
    names = (f"timbre-{sound}.wav", f"melody-{tune}.wav", "swap.wav", "swap.png")
    return tuple(folder / f"{number}-{name}" for name in names)


def swap(pipeline: "Pipeline", folder: Path, number: int) -> "tuple[str, Value, Value, str]":
    """Write the sources, the swap and a picture of pair `number`, counted from 1.

    Returns a row of the table: the pair, melody F1 of the swap and of the truth, and the nearest instrument.
    """
    from msdae.evaluation.figures import plot_log_mels
    from msdae.evaluation.tables import Value

    (sound, program), (tune, player) = PAIRS[number - 1]
    timbre_file, melody_file, out, picture = paths(folder, number)
    audio.write(timbre_file, play(notes_of(FRERE_JACQUES), program))
    audio.write(melody_file, play(notes_of(ODE_TO_JOY), player))
    timbre_source, melody_source = (audio.open_recording(path) for path in (timbre_file, melody_file))
    pipeline.render_file(Mix(melody_source, {1: timbre_source}), out)
    titles = {f"{sound}: timbre source": timbre_source, f"{tune}: melody source": melody_source}
    plot_log_mels(picture, {**titles, "swap": audio.open_recording(out)})
    swapped, played, nearest = score(out, program)
    return f"{tune} -> {sound}", Value(swapped, digits=2), Value(played, digits=2), nearest


def learnt_paths(folder: Path) -> tuple[Path, Path, Path, Path]:
    """The files of learning: the recording, the learnt sound, and the swaps without and with it."""
    names = (f"{UNKNOWN}.wav", f"{UNKNOWN}.sound", f"{UNKNOWN}-before.wav", f"{UNKNOWN}-learnt.wav")
    return tuple(folder / f"{1 + len(PAIRS)}-{name}" for name in names)


def learn(pipeline: "Pipeline", folder: Path, seconds: float) -> "Table":
    """Learn a sound that the model does not know; a table of how good swaps without and with it are.

    seconds: of learning.
    """
    from msdae.evaluation.swapbench.sounds import merlin
    from msdae.evaluation.tables import Table

    recording, learnt, before, after = learnt_paths(folder)
    rate = audio.SAMPLE_RATE
    font = merlin()
    audio.write(recording, play(notes_of(FRERE_JACQUES), UNKNOWN_PROGRAM, font)[: round(HEARD * rate)])
    melody, source = audio.open_recording(paths(folder, 1)[1]), audio.open_recording(recording)
    sound = learn_sound.learn(pipeline, [source], learnt, seconds)
    sound.save(learnt)
    learn_sound.forget(learnt)
    truth = play(notes_of(ODE_TO_JOY), UNKNOWN_PROGRAM, font)
    rows = []
    pipeline.sampling = replace(pipeline.sampling, learn=NEVER)
    for name, played, file in (("as the model is", source, before), ("learnt", sound, after)):
        pipeline.render_file(Mix(melody, {1: played}), file)
        rows.append((name, *_likeness(audio.read(file), truth)))
    for name, waveform in (("melody source", audio.read(melody.path)), ("truth", truth)):
        rows.append((name, *_likeness(waveform, truth)))
    note = (
        f"timbre: the cosine of mean MFCC to the same notes played by the {UNKNOWN} itself. Of so\n"
        "few notes F1 moves by .1 from one seed to the next."
    )
    title = f"Ode to Joy in the sound of a {UNKNOWN} that the model does not know, {HEARD:g} s of it"
    return Table(title, ("swap", "melody F1", "timbre"), tuple(rows), note)


def _likeness(waveform: "torch.Tensor", truth: "torch.Tensor") -> "tuple[Value, Value]":
    """Melody F1 of a swap, and the cosine of its mean MFCC and the truth's."""
    import numpy as np

    from msdae.evaluation.metrics import mfcc
    from msdae.evaluation.metrics.melody import note_f1, transcribe
    from msdae.evaluation.tables import Value

    rate = audio.SAMPLE_RATE
    f1 = note_f1(np.array(notes_of(ODE_TO_JOY)), transcribe(waveform, rate))
    return Value(f1, digits=2), Value(mfcc.similarity(waveform, truth, rate), digits=2)


def copy_first(folder: Path) -> None:
    """Copy the sources of the first pair to a.wav and b.wav in the working folder, if these do not exist."""
    for name, source in zip(("a.wav", "b.wav"), paths(folder, 1), strict=False):
        if os.path.lexists(name):
            if not Path(name).is_file() or not filecmp.cmp(name, source, shallow=False):
                cli.note(f"{name}: is there already and stays; a copy of {source} would have been made")
            continue
        with files.atomic(name) as temporary:
            shutil.copyfile(source, temporary)
        print(f"wrote {name}, a copy of {source}")


def play(notes: Sequence[Note], program: int, font: Path | None = None) -> "torch.Tensor":
    """`notes` played by a General MIDI program of a SoundFont: (samples,) at 44.1 kHz, peak `LEVEL`.

    font: None for the default SoundFont.
    """
    from msdae.synthesis import soundfont

    samples = round((notes[-1][1] + BEAT) * audio.SAMPLE_RATE)  # one beat more, in which the last note fades
    waveform = soundfont.render(notes, font or soundfont.default(), program, samples)
    return LEVEL * waveform / waveform.abs().max()


def score(swapped: Path, program: int) -> tuple[float, float, str]:
    """Melody F1 of the swap and of the truth, and the instrument that the swap sounds most like.

    swapped: file of the swap. program: of the right instrument.
    """
    import numpy as np
    import torch

    from msdae.evaluation.metrics import timbre
    from msdae.evaluation.metrics.melody import note_f1, transcribe

    notes, rate = notes_of(ODE_TO_JOY), audio.SAMPLE_RATE
    waveforms = torch.stack([audio.read(swapped), play(notes, program)])
    f1 = [note_f1(np.array(notes), transcribe(waveform, rate)) for waveform in waveforms]
    nearest = _known().nearest(timbre.load().embed(waveforms[:1], rate)[0])
    names = {kind.program: kind.name for kind in INSTRUMENTS}
    return *f1, names[nearest] + (" (right)" if nearest == program else f" (it is {names[program]})")


def _known() -> "Instruments":
    """The instruments with which the sound of a swap is compared."""
    from msdae.evaluation.swapbench.scores import instruments

    return instruments("test", "melodies")
