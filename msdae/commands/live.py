"""Play a microphone, a line or a MIDI keyboard with another sound while it is being played."""

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msdae import cli, files
from msdae.errors import UserError
from msdae.inference.settings import LiveConfig
from msdae.limits import Range

if TYPE_CHECKING:
    import torch

    from msdae.inference.streaming import Engine

SPARE = 0.5  # share of a stride by which the output is delayed to give the engine time
BLOCK = Range(256, 8192, reason="samples that a sound card takes at once")
SECONDS = Range(0, 86400, above=True, reason="a day")
MEASURED = 60  # seconds at the beginning of a recording in which delay and joins are measured
SHIFT = 0.2  # seconds by which the measured delay may differ; one beat later, onsets match again
OUT = "live.wav"  # default of --out
POLL = 0.1  # seconds between two checks of the running engine


def main(argv: Sequence[str] | None = None) -> None:
    options = parser().parse_args(argv)
    if options.list:
        from msdae.inference import devices

        print(devices.listing())
        return
    if not (given := options.sound or options.timbre):
        raise UserError("no sound; give --sound FILE, which learn-sound wrote, or --timbre FILE")
    if options.in_file:
        if options.input or options.output or options.midi is not None:
            raise UserError("--in-file plays to --out; leave out --input, --output and --midi")
        if options.seconds is not None:
            raise UserError("--in-file plays the whole file; leave out --seconds")
        source, out = cli.open_source(options.in_file), options.out or Path(OUT)
        cli.check_outputs([out], None, [source])
        files.check_apart([out], [given])
        play_file(engine(options), options.in_file, out)
    else:
        if options.out is not None:
            raise UserError("--out: is of --in-file, what is played live is not kept; leave it out")
        if options.midi is not None and options.input:
            raise UserError("--midi is heard in place of --input; leave one out")
        play_live(options)


def parser() -> argparse.ArgumentParser:
    """The options of this command line."""
    parser = cli.parser(
        "live",
        "Play what is heard with the sound of a recording, or with one that learn-sound has learnt, while\n"
        "it is being played: from a sound card or, with --midi, a keyboard; with --in-file, from a file.",
        "--sound a.sound",
    )
    sound = parser.add_mutually_exclusive_group()
    sound.add_argument("--sound", type=Path, metavar="FILE", help="a learnt sound")
    sound.add_argument("--timbre", type=Path, metavar="FILE", help="a recording, as the timbre source")
    parser.add_argument("--list", action="store_true", help="list the devices and exit")
    parser.add_argument("--input", metavar="DEVICE", help="name or number of the device to hear")
    parser.add_argument("--output", metavar="DEVICE", help="name or number of the device to play on")
    midi = "hear a MIDI keyboard: the first one, or the port whose name begins with PORT"
    parser.add_argument("--midi", nargs="?", const="", metavar="PORT", help=midi)
    block = "samples that the sound card exchanges at once"
    parser.add_argument("--block", type=cli.ranged(BLOCK), default=512, help=block)
    seconds = cli.ranged(SECONDS, float)
    parser.add_argument(
        "--seconds", type=seconds, metavar="N", help="stop after so many seconds (default: at Ctrl-C)"
    )
    parser.add_argument(
        "--in-file", type=Path, metavar="FILE", help="a recording or score instead of the sound card"
    )
    out = f"the result of --in-file: .wav, .flac or .ogg (default: {OUT})"
    parser.add_argument("--out", type=Path, help=out)
    cli.add_config(parser, LiveConfig)
    cli.add_sampling(parser, without=["transcription", "voices", "transpose"])
    return parser


def engine(options: argparse.Namespace) -> "Engine":
    """The live engine with the sound that the options name."""
    from msdae.inference.encoding import timbre_of
    from msdae.inference.streaming import Engine

    pipeline = cli.pipeline(options)
    sound, timbre = options.sound, options.timbre
    codes = pipeline.load_sound(sound).codes if sound else timbre_of(pipeline, cli.open_source(timbre))
    return Engine(pipeline, codes, cli.configured(LiveConfig, options))


def play_file(engine: "Engine", path: Path, output: Path) -> None:
    """Convert a file to a file, without the delay, and print delay, speed and roughness of the joins."""
    from msdae import audio
    from msdae.audio.windows import beginning
    from msdae.evaluation import live
    from msdae.inference.sources import levelled, open_sound, require_audible
    from msdae.inference.streaming import rendered

    rate = engine.sample_rate
    source = open_sound(path, rate)
    require_audible([], levelled(source, rate))
    clock, processor = time.perf_counter(), time.process_time()
    audio.write_blocks(output, rendered(engine, source.blocks()), rate)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    seconds = source.samples / rate
    print(f"wrote {output} ({seconds:.2f} s)")
    both = (source, open_sound(output, rate))
    heard, played = (beginning(sound, MEASURED * rate) for sound in both)
    measured = engine.delay + live.lag(heard, played, round(SHIFT * rate))
    joins = live.roughness(played, engine.stride, engine.fade)
    print(
        f"delay: {engine.delay / rate:.3f} s, {measured / rate:.3f} s measured\n"
        f"time: {clock / seconds:.2f} of real time, {processor / seconds:.2f} of one core's\n"
        f"joins: changes are {joins:.2f} times as sudden as elsewhere"
    )


def play_live(options: argparse.Namespace) -> None:
    """Play until Ctrl-C, or for --seconds, and print how long it was late or dropped sound."""
    from msdae.inference import devices
    from msdae.inference.duplex import Duplex

    port = None if options.midi is None else devices.port(options.midi)
    devices.require()  # before the model is read
    player = engine(options)
    keyboard = None if port is None else _keyboard(port, player.sample_rate)
    duplex = Duplex(player, round(SPARE * player.stride))
    begin = time.perf_counter()
    try:
        facts = player.sample_rate, options.block, options.input, options.output
        with devices.opened(duplex.exchange, *facts, keyboard):
            cli.note(f"playing {duplex.delay / player.sample_rate:.2f} s behind; Ctrl-C ends it")
            while options.seconds is None or time.perf_counter() < begin + options.seconds:
                time.sleep(POLL)
                duplex.check()
    except KeyboardInterrupt:
        pass
    finally:
        duplex.close()
    late, dropped = duplex.late / player.sample_rate, duplex.dropped / player.sample_rate
    print(f"played {time.perf_counter() - begin:.1f} s; {late:.1f} s late, {dropped:.1f} s dropped")


def _keyboard(port: Any, sample_rate: int) -> "Callable[[int], torch.Tensor]":
    """A function that returns the next samples, as many as it is asked for, that a MIDI keyboard plays."""
    from msdae.synthesis.keyboard import Keyboard

    keyboard = Keyboard(sample_rate)

    def heard(samples: int) -> "torch.Tensor":
        for message in port.iter_pending():
            keyboard.tell(message)
        return keyboard(samples)

    return heard
