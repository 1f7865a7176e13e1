"""Play the melody of one recording with the timbre of another."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from msdae import cli, files
from msdae.commands._arguments import Once, add_learn, add_levels, check_sampling, seconds_to_learn
from msdae.commands.learn_sound import forget, learn
from msdae.errors import UserError
from msdae.inference.settings import Mix, identity
from msdae.limits import SHARE

LEVELS = (1, 2, 3)
BETWEEN = 0.5  # default of --between


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    seconds, sounds = seconds_to_learn(options), options.sound or []
    levels, melody = chosen_sources(options, bool(seconds))
    check_sampling(options, {*levels, *([1] if sounds else [])})
    paths = dict.fromkeys([*levels.values(), melody])
    sources = {path: cli.open_source(path) for path in paths}
    cli.check_outputs([options.out], options.plot, sources.values())
    files.check_apart([options.out], sounds)
    others = {level: sources[path] for level, path in levels.items()}
    renderer = cli.pipeline(options)
    if sounds:
        first, last = (renderer.load_sound(path) for path in (sounds[0], sounds[-1]))
        share = BETWEEN if options.between is None else options.between
        others[1] = first.blend(last, share) if len(sounds) == 2 else first
    if seconds:
        others[1] = learn(renderer, [others[1]], options.out, seconds)
    cli.render(renderer, Mix(sources[melody], others, options.strength), options.out)
    if seconds:
        forget(options.out)
    titles = {f"{path.name}: {given}": sources[path] for path, given in roles(levels, melody).items()}
    cli.plot(options.plot, {**titles, f"{options.out.name}: swap": cli.open_source(options.out)})


def parser() -> argparse.ArgumentParser:
    """The options of this command line."""
    parser = cli.parser(
        "swap",
        "Render the melody source with codes of other recordings; the result is as long and as loud as it.\n"
        "With --timbre, the levels in --levels come from that one recording. With --level1, --level2 and\n"
        "--level3, each level has a source of its own; a level not given comes from the melody source, that\n"
        "is --melody, or the source of level 3 where --melody is not given. With --sound, level 1 is what\n"
        "learn-sound has learnt. A source of level 1 whose sound the model does not know is learnt first.",
        "--timbre a.wav --melody b.wav --out y.wav",
    )
    source = {"type": Path, "metavar": "FILE", "action": Once}
    parser.add_argument("--timbre", **source, help="the timbre source")
    parser.add_argument("--melody", **source, help="the melody source")
    for level in LEVELS:
        parser.add_argument(f"--level{level}", **source, help=f"the source of level {level}")
    parser.add_argument(
        "--sound",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="a learnt sound, or two, to play one between them",
    )
    between = cli.ranged(SHARE, float)
    parser.add_argument("--between", type=between, help=f"0 (first sound) to 1 (second) (default: {BETWEEN})")
    add_learn(parser, "in any case")
    cli.add_out(parser, "swap.wav")
    add_levels(parser, default="1")
    parser.add_argument(
        "--strength",
        type=cli.ranged(SHARE, float),
        default=1.0,
        help="from 0 (codes of the melody source alone) to 1 (the whole swap)",
    )
    cli.add_plot(parser)
    cli.add_sampling(parser, without=["learn"])
    return parser


def chosen_sources(options: argparse.Namespace, learns: bool = False) -> tuple[dict[int, Path], Path]:
    """({level: file that the swapped level comes from}, file of the melody source).

    A file that is given under several names, as a link, has one of them, the melody source's before others.

    learns: whether the source of level 1 is learnt in any case.

    Raises:
        UserError: a source is missing, or options that exclude each other are given.
    """
    given = {level: getattr(options, f"level{level}") for level in LEVELS}
    levels = {level: path for level, path in given.items() if path is not None}
    if options.timbre and levels:
        raise UserError("--timbre and --level1/2/3 exclude each other; give --level1 instead of --timbre")
    if options.sound and (options.timbre or options.level1 or learns):
        raise UserError("--sound is the source of level 1; leave out --timbre, --level1 and --learn")
    if options.sound and len(options.sound) > 2:
        raise UserError(f"--sound: is {len(options.sound)} files, expected one or two")
    if options.between is not None and len(options.sound or ()) != 2:
        raise UserError("--between: is between two sounds; give --sound FILE FILE")
    if not options.timbre and not levels and not options.sound:
        raise UserError("no source of timbre; give --timbre FILE, --sound FILE, or --level1, --level2 ...")
    if not options.timbre and tuple(options.levels) != (1,):
        raise UserError(
            "--levels: are of --timbre; give --timbre FILE, or --level2 FILE, --level3 FILE instead"
        )
    melody = options.melody or options.level3
    if melody is None:
        raise UserError("no melody source; give --melody FILE")
    if options.timbre:
        levels = dict.fromkeys(options.levels, options.timbre)
    if learns and 1 not in levels:
        raise UserError("--learn: level 1 has no source to learn; give --timbre FILE or --level1 FILE")
    firsts = {identity(path): path for path in [*reversed(levels.values()), melody]}  # of links and spellings
    levels, melody = {k: firsts[identity(path)] for k, path in levels.items()}, firsts[identity(melody)]
    return {k: path for k, path in levels.items() if path != melody or (learns and k == 1)}, melody


def roles(levels: dict[int, Path], melody: Path) -> dict[Path, str]:
    """{file: its role}, for the titles of the picture."""
    files = dict.fromkeys([*levels.values(), melody])
    return {path: role(path, levels, melody) for path in files}


def role(path: Path, levels: dict[int, Path], melody: Path) -> str:
    """The role of the file `path`, in words."""
    if path == melody:
        return "melody source"
    return "source of level " + ", ".join(str(level) for level, source in levels.items() if source == path)
