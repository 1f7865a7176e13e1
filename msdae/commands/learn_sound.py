"""Learn the sound of recordings, so that swaps play with it."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import cli, files
from msdae.commands._arguments import FORMATS
from msdae.errors import UserError
from msdae.limits import LEARNING, LEARNING_SECONDS
from msdae.locks import only_process
from msdae.progress import muted

if TYPE_CHECKING:
    from msdae.audio import Recording
    from msdae.inference.pipeline import Pipeline
    from msdae.inference.sounds import LearntSound


def main(argv: Sequence[str] | None = None) -> None:
    parser = cli.parser(
        "learn-sound",
        "Learn the sound of one or more recordings: from one note to hours of it, alone if possible.\n"
        "Stopped and started again, the same line continues.",
        "a.wav --out a.sound",
    )
    parser.add_argument("recordings", nargs="+", type=Path, help=f"recordings of the sound ({FORMATS})")
    parser.add_argument("--out", type=Path, default=Path("a.sound"), help="file of the learnt sound")
    seconds = cli.ranged(LEARNING, float)
    parser.add_argument(
        "--seconds", type=seconds, default=LEARNING_SECONDS, help="about how long learning takes"
    )
    parser.add_argument("--steps", type=cli.positive, help="training steps, instead of --seconds")
    cli.add_model(parser)
    options = parser.parse_args(argv)

    sources = [cli.open_source(path) for path in options.recordings]
    files.check_ending(options.out, ".sound")
    files.check_replaceable(options.out)
    files.check_apart([options.out], options.recordings)
    from msdae.inference.pipeline import Pipeline

    pipeline = Pipeline.from_pretrained(options.checkpoint, options.device, codec=options.codec)
    sound = learn(pipeline, sources, options.out, options.seconds, options.steps)
    sound.save(options.out)
    forget(options.out)
    print(f"wrote {options.out} ({options.out.stat().st_size / 1e6:.1f} MB)")


def learn(
    pipeline: "Pipeline",
    sources: "Sequence[Recording]",
    output: Path,
    seconds: float,
    steps: int | None = None,
) -> "LearntSound":
    """Learn the sound of `sources`, with a progress bar.

    The state of learning is kept beside `output` until `forget`, so that a killed run can continue.

    output: file of the learnt sound, which is not written here. seconds: about how long learning takes.
    steps: number of steps, instead of `seconds`.

    Raises:
        UserError: as `Pipeline.learn`.
        KeyboardInterrupt: a signal stopped learning; its state is saved.
    """
    try:
        with muted("msdae.training"):
            sound = pipeline.learn(sources, seconds, steps, folder=_folder(output), progress=tqdm)
    except KeyboardInterrupt:
        cli.note("the state is saved, the same line continues")
        raise
    except UserError:
        from msdae.training.state import FILE

        if not (_folder(output) / FILE).exists():  # nothing is there to continue from
            forget(output)
        raise
    text = f"learnt {sound.seconds:.1f} s of sound in {sound.steps} steps"
    if sound.held_out:
        text += "; loss on its held-out end {:.3f} -> {:.3f}".format(*sound.held_out)
    cli.note(text)
    return sound


def forget(output: Path) -> None:
    """Remove the state of learning beside `output`, unless another process uses it."""
    if (folder := _folder(output)).exists():
        with suppress(UserError), only_process(folder):
            shutil.rmtree(folder, ignore_errors=True)


def _folder(output: Path) -> Path:
    return output.parent / f".{output.name}.learning"
