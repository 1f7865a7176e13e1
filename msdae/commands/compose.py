"""Compose a tune, and play it with any sound."""

import argparse
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdae import audio, cli, files
from msdae.commands._arguments import check_sampling
from msdae.errors import UserError, printable
from msdae.inference.settings import Sampling
from msdae.limits import Range
from msdae.models.composers import COMPOSERS, ComposerSampling
from msdae.models.composers.settings import BARS, SERIES
from msdae.symbolic.notes import Score
from msdae.symbolic.scores import check_score, read_score, write_score

if TYPE_CHECKING:
    import torch

    from msdae.audio import Recording
    from msdae.inference.pipeline import Pipeline
    from msdae.inference.sources import PlayedScore
    from msdae.models.composers import Composer

USUAL_BARS, USUAL_COUNT = 8, 5  # defaults of --bars and --count
PLAIN = "-plain.wav"  # ending of the plain rendering's file if the swap has the name of --wav


def main(argv: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(argv)
    import torch

    from msdae.models.composers.base import find

    _check(options)
    timbre = _timbre(options.timbre)
    prompt = read_score(options.prompt) if options.prompt else None
    composer = find(options.model, options.trained, _train)
    if prompt is not None and composer.prompted:
        _check_prompt(composer, prompt, options.prompt)
    sampling = cli.configured(ComposerSampling, options)
    _check_used(composer, sampling, options)
    generator = torch.Generator().manual_seed(options.seed)
    sound = _sound(options, timbre)
    if options.between:
        _series(composer, options, sound)
        return
    if options.style:
        score = _styled(composer, prompt, read_score(options.style), generator)
    elif options.voice is not None:
        score = _filled(composer, prompt, options.voice, generator, sampling)
    else:
        score = composer.compose(options.bars or USUAL_BARS, generator, prompt, sampling)
    _write(score, options, options.out, sound)


def _timbre(path: Path | None) -> "Recording | PlayedScore | None":
    """The timbre source, or None if there is none.

    Raises:
        UserError: it cannot be read or is silent.
    """
    if path is None:
        return None
    from msdae.inference.sources import levelled, require_audible

    source = cli.open_source(path)
    require_audible([levelled(source, audio.SAMPLE_RATE)])
    return source


def _sound(
    options: argparse.Namespace, timbre: "Recording | PlayedScore | None"
) -> "tuple[Pipeline, Any] | None":
    """The renderer and the source of level 1, or None if no sound is asked for."""
    if timbre is None and not options.sound:
        return None
    renderer = cli.pipeline(options)
    return renderer, timbre or renderer.load_sound(options.sound)


def _write(
    score: Score, options: argparse.Namespace, out: Path, sound: "tuple[Pipeline, Any] | None"
) -> None:
    """Write the score as MIDI, picture and plain sound and, if a sound is asked for, in that sound.

    Raises:
        UserError: the score is empty, or a file cannot be written.
    """
    from msdae.evaluation.rolls import plot_roll
    from msdae.evaluation.tables import counted
    from msdae.synthesis.players import play

    if not score.parts:
        dare = " or a higher --temperature" if "temperature" in COMPOSERS[options.model].sampled else ""
        raise UserError(f"{options.model} composed silence; take another --seed{dare}")
    write_score(out, score)
    print(f"wrote {out} ({counted(sum(map(len, score.parts)), 'note')}, {counted(len(score.parts), 'part')})")
    plot = _plot(options, out)
    plot_roll(plot, {out.name: score})
    print(f"wrote {plot}")
    wav, plain = _wav(options, out), _plain(options, out)
    audio.write(plain, play(score.notes()))
    print(f"wrote {plain}")
    if sound is not None:
        from msdae.inference.settings import Mix

        renderer, source = sound
        cli.render(renderer, Mix(cli.open_source(out), {1: source}), wav)


def _series(composer: "Composer", options: argparse.Namespace, sound: "tuple[Pipeline, Any] | None") -> None:
    """Write the scores of a series from one tune to another."""
    if not hasattr(composer, "between"):
        raise UserError(f"--between: {composer.kind} has no codes of tunes; give --model vae")
    first, last = (read_score(path) for path in options.between)
    for number, score in enumerate(composer.between(first, last, options.count or USUAL_COUNT), start=1):
        _write(score, options, _numbered(options.out, number), sound)


def _filled(
    composer: "Composer",
    prompt: Score | None,
    voice: int,
    generator: "torch.Generator",
    sampling: ComposerSampling,
) -> Score:
    if not hasattr(composer, "infill") or prompt is None:
        raise UserError("--voice: fills a part of the chorale --prompt; give both, and --model four_voices")
    return composer.infill(prompt, voice - 1, generator, sampling)


def _styled(composer: "Composer", prompt: Score | None, style: Score, generator: "torch.Generator") -> Score:
    """`prompt` with a random half of the numbers in its code replaced by those of `style`."""
    import torch

    if not hasattr(composer, "mixed") or prompt is None:
        raise UserError("--style: mixes a tune's code into that of --prompt; give both, and --model vae")
    size = composer.config.latent
    return composer.mixed(prompt, style, torch.randperm(size, generator=generator)[: size // 2].tolist())


def _check_prompt(composer: "Composer", prompt: Score, path: Path) -> None:
    """Raise a UserError that names the file if the composer cannot read the prompt."""
    try:
        composer.encode(prompt)
    except UserError as error:
        raise UserError(f"{printable(path)}: {error}") from error


def _check_used(composer: "Composer", sampling: ComposerSampling, options: argparse.Namespace) -> None:
    """Raise a UserError if an option of `ComposerSampling` is given that would change nothing."""
    used = () if options.between or options.style else composer.sampled
    for option in _given(sampling, ComposerSampling, used):
        raise UserError(f"{option}: would change nothing of what is asked for; leave it out")
    swapped = options.timbre or options.sound
    for option in [] if swapped else _given(options, Sampling, ["seed"]):
        raise UserError(f"{option}: is of the sound of --timbre or --sound; give one, or leave it out")
    check_sampling(options, [1] if swapped else [], bool(options.sound))


def _given(values: Any, kind: type, without: Sequence[str]) -> list[str]:
    """The options of the dataclass `kind` whose values are not the defaults, but for the fields `without`."""
    asked = (f.name for f in fields(kind) if f.name not in without and getattr(values, f.name) != f.default)
    return [f"--{name.replace('_', '-')}" for name in asked]


def _check(options: argparse.Namespace) -> None:
    """Raise a UserError for options that exclude each other and files that cannot be written."""
    from msdae.evaluation.figures import check_plot

    if options.count and not options.between:
        raise UserError("--count: of --between alone; leave it out")
    if options.bars and (options.between or options.style or options.voice is not None):
        raise UserError("--bars: the tunes that are given have a length; leave it out")
    if options.timbre and options.sound:
        raise UserError("--timbre and --sound exclude each other; leave one out")
    if options.between and (options.prompt or options.voice is not None):
        raise UserError("--between has two tunes of its own; leave out --prompt and --voice")
    if options.between and (options.wav or options.plot):
        raise UserError("--between writes several tunes, named as --out; leave out --wav and --plot")
    if options.style and (options.between or options.voice is not None):
        raise UserError("--style mixes one tune into --prompt; leave out --between and --voice")
    outs = [options.out]
    if options.between:
        outs = [_numbered(options.out, number) for number in range(1, (options.count or USUAL_COUNT) + 1)]
    inputs = [
        path
        for path in (options.prompt, options.style, options.timbre, options.sound, *(options.between or ()))
        if path
    ]
    for out in outs:
        sounds = _plain(options, out), _wav(options, out)
        check_score(out)
        check_plot(_plot(options, out))
        for path in sounds:
            audio.check_writable(path)
        files.check_apart([out, _plot(options, out), *sounds], inputs)


def _plot(options: argparse.Namespace, out: Path) -> Path:
    return options.plot or out.with_suffix(".png")


def _wav(options: argparse.Namespace, out: Path) -> Path:
    return options.wav or out.with_suffix(".wav")


def _plain(options: argparse.Namespace, out: Path) -> Path:
    """The file of the plain rendering."""
    wav = _wav(options, out)
    return wav.with_name(f"{wav.stem}{PLAIN}") if options.timbre or options.sound else wav


def _numbered(out: Path, number: int) -> Path:
    return out.with_name(f"{out.stem}-{number}{out.suffix}")


def _train(kind: str) -> str:
    return f"{cli.program('train-composer')} --model {kind}; then give its folder with --trained"


def _parser() -> argparse.ArgumentParser:
    parser = cli.parser(
        "compose",
        "Compose a tune: MIDI, a picture of its notes, and sound. With --timbre or --sound it is played\n"
        "with that sound, beside the plain rendering. --prompt continues a tune; --between leads from one\n"
        "tune to another, --style mixes one into --prompt (vae); --voice writes a voice of the chorale\n"
        "--prompt anew (four_voices).",
        "--model transformer --bars 8 --seed 1 --out tune.mid --timbre a.wav",
    )
    parser.add_argument("--model", choices=list(COMPOSERS), default="transformer", help="composer to use")
    parser.add_argument(
        "--trained", type=Path, help="file or folder of its weights (default: those that ship)"
    )
    parser.add_argument(
        "--bars",
        type=cli.ranged(BARS),
        help=f"bars to compose, of four quarter notes (default: {USUAL_BARS})",
    )
    parser.add_argument(
        "--prompt",
        type=Path,
        metavar="FILE",
        help="MIDI or MusicXML to continue: its highest part, or its four voices",
    )
    parser.add_argument(
        "--voice", type=cli.ranged(Range(1, 4)), help="voice of --prompt to continue, 1 (highest) to 4"
    )
    parser.add_argument("--style", type=Path, metavar="FILE", help="tune whose style is mixed into --prompt")
    parser.add_argument(
        "--between", type=Path, nargs=2, metavar="FILE", help="two tunes to interpolate between"
    )
    parser.add_argument(
        "--count",
        type=cli.ranged(SERIES),
        help=f"number of tunes of --between, with both ends (default: {USUAL_COUNT})",
    )
    cli.add_config(parser, ComposerSampling)
    parser.add_argument("--out", type=Path, default=Path("tune.mid"), help="MIDI file to write")
    parser.add_argument(
        "--wav", type=Path, metavar="FILE", help="sound file to write (default: named like --out)"
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="picture to write (default: named like --out)"
    )
    parser.add_argument("--timbre", type=Path, metavar="FILE", help="play it with this recording's sound")
    parser.add_argument("--sound", type=Path, metavar="FILE", help="play it with a learnt sound")
    cli.add_sampling(parser)
    return parser
