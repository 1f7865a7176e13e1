"""Generate music: from nothing, from words, for a sound, for a melody, or as a recording goes on."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from msdae import audio, cli, files
from msdae.errors import UserError
from msdae.models.priors import PRIORS, PriorSampling
from msdae.models.priors.settings import SECONDS

DEFAULT = 10.0  # seconds, the default of --seconds


def main(argv: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    _check(options)
    audio.check_writable(options.out)
    given = [path for path in (options.timbre, options.sound, options.melody, options.continued) if path]
    files.check_apart([options.out], given)
    timbre, melody, beginning = (
        cli.open_source(path) if path else None
        for path in (options.timbre, options.melody, options.continued)
    )
    from msdae.inference.generation import LOUDNESS, Request
    from msdae.inference.mels import generator_of
    from msdae.inference.wording import asked
    from msdae.models.priors.base import find

    prior = find(options.prior, options.trained, _train)
    text = None if options.text is None else asked(options.text)
    pipeline = cli.pipeline(options)
    if options.sound:
        timbre = pipeline.load_sound(options.sound)
    generator = generator_of(pipeline, prior, cli.configured(PriorSampling, options))
    request = Request(options.seconds or DEFAULT, timbre, melody, beginning, text, options.seed)
    mastering = generator.render_file(request, options.out, tqdm)
    than = "the melody source" if melody else "the timbre source" if options.timbre else f"{LOUDNESS:g} LUFS"
    cli.say_written(options.out, audio.open_recording(options.out), mastering.limited, than)


def _check(options: argparse.Namespace) -> None:
    """Raise a UserError for options that exclude each other."""
    if options.timbre and options.sound:
        raise UserError("--timbre and --sound exclude each other; leave one out")
    if options.melody and (options.timbre or options.sound):
        raise UserError(
            f"--melody with --timbre or --sound leaves nothing to generate; use {cli.program('swap')}"
        )
    if options.melody and (options.continued or options.seconds):
        other = "--continue" if options.continued else "--seconds"
        raise UserError(f"--melody has its own length and {other} another; leave one out")


def _train(kind: str) -> str:
    return f"{cli.program('train-prior')} --prior {kind}; then give its folder with --trained"


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        "generate",
        "Generate music. What is given is kept, what is missing is sampled: a melody for a sound (--timbre,\n"
        "--sound), a sound for a melody (--melody), what comes after a recording (--continue), or, where\n"
        "nothing is given, both.",
        "--timbre a.wav --seconds 30 --seed 1 --out y.wav",
    )
    parser.add_argument("--prior", choices=list(PRIORS), default="dit", help="prior to sample from")
    parser.add_argument(
        "--trained", type=Path, help="file or folder of its weights (default: those that ship)"
    )
    parser.add_argument("--text", help="description of the music, in English: 'slow low oud, dry room'")
    parser.add_argument("--timbre", type=Path, metavar="FILE", help="the timbre source")
    parser.add_argument("--sound", type=Path, metavar="FILE", help="a learnt sound")
    parser.add_argument("--melody", type=Path, metavar="FILE", help="the melody source")
    parser.add_argument(
        "--continue", dest="continued", type=Path, metavar="FILE", help="recording to continue"
    )
    parser.add_argument(
        "--seconds",
        type=cli.ranged(SECONDS, float),
        help=f"length of the new music (default: {DEFAULT:g}, or that of --melody)",
    )
    cli.add_out(parser, "generated.wav")
    cli.add_config(parser, PriorSampling)
    cli.add_sampling(parser, without=["dynamics", "transcription", "voices", "transpose"])
    return parser
