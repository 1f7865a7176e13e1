"""Command lines that are killed: what they are called with, and what they make.

`@` stands for the folder of inputs (`make_inputs`); products lie in the working folder.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from msdae import audio, codecs
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE
from msdae.symbolic.notes import Score, ScoreNote
from msdae.symbolic.scores import write_score

TRAINING = (
    "--set batch_size=4 --set log_every=1 --set save_every=3 --set validate_every=1000 "
    "--set validation_batches=1 --set audio_every=1000"
)
MODEL = "--set model.widths=[16,16,24] --set model.hidden=16 --set pretrain=4 --set pretrain_batch=4"


@dataclass(frozen=True)
class Line:
    """A command line and what it makes.

    whole: is killed in the whole suite only.
    """

    line: str
    whole: bool = True

    def __str__(self) -> str:
        return self.line.partition(" ")[0]


SAMPLING = "--checkpoint @/tiny.safetensors --steps 3"
LINES = (
    Line(f"swap --timbre @/music/a.wav --melody @/music/b.wav {SAMPLING} --out y.wav --plot y.png", False),
    Line(f"reconstruct @/music/a.wav {SAMPLING} --out y.flac --plot y.pdf"),
    Line(f"interpolate --timbre @/music/a.wav --melody @/music/b.wav --count 3 {SAMPLING} --out series"),
    Line("prepare-data --dataset folder --source @/music --out data --workers 1", False),
    Line("prepare-data --dataset folder --source @/music --out data --workers 2 --shards 4"),
    Line("prepare-data --dataset synth --clips 24 --seed 7 --workers 2 --out data"),
    Line(f"train-stage --stage 1 --run run --data @/data --set steps=[12,4,4] {TRAINING} {MODEL}"),
    Line(
        "train-codec --source @/music --latents @/codec.safetensors --out mine.safetensors --run run "
        f"--set steps=[1,8,4] --set frames=8 --set crop=16 {TRAINING}"
    ),
    Line("train-codec --codec spectral --source @/music --out mine.safetensors --set channels=32"),
    Line(f"evaluate {SAMPLING} --cases 8 --split test --report-cases 1 --out out"),
    Line("score @/music/a.wav --reference @/music/b.wav --json scores.json"),
    Line("learn-sound @/music/a.wav --steps 12 --checkpoint @/tiny.safetensors --out a.sound"),
    Line("compose --bars 4 --out t.mid"),
    Line(
        "train-composer --model musegan --data @/midi --run run --set steps=12 --set batch_size=4 "
        "--set log_every=1 --set save_every=3 --set validate_every=5 --set model.width=8 --set model.critic=8"
    ),
    Line("export @/tiny.safetensors --out half.safetensors"),
)


def make_inputs(folder: Path, melody: Callable[[float, int], torch.Tensor], data: Path) -> None:
    """Recordings, a tiny model that uses its codes, a codec and a prepared data set."""
    (folder / "music").mkdir(parents=True)
    for seed, name in enumerate("abcdef"):
        audio.write(folder / f"music/{name}.wav", melody(6.5, seed)[0])
    (folder / "midi").mkdir()
    for number in range(4):
        beats = [72 + 5 * (beat * (number + 1) % 7) - 12 for beat in range(24)]
        parts = ([ScoreNote(b, 1, pitch - 5 * voice) for b, pitch in enumerate(beats)] for voice in range(4))
        write_score(folder / f"midi/{number}.mid", Score(tuple(parts)))
    codec = codecs.load(codecs.DEFAULT)
    codec.save(folder / "codec.safetensors")
    torch.manual_seed(0)
    trained_on = CodecConfig(fingerprint=codec.fingerprint)
    model = MSDAE(
        ModelConfig(
            widths=(16, 16, 16, 16, 16), code_channels=(8, 8, 8), encoder_widths=(8, 8), codec=trained_on
        )
    )
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    model.save(folder / "tiny.safetensors")
    (folder / "data").symlink_to(data)


def products(folder: Path) -> dict[str, bytes]:
    """{name: content} of all that lies in `folder`, without the locks' and trackers' files, and without what
    varies: the clips a second of a log."""
    contents = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and path.name != ".lock" and "/logs/" not in name:
            content = path.read_bytes()
            if path.name == "log.jsonl":
                content = re.sub(rb'"clips/s": [0-9.e+-]+', b"", content)
            contents[name] = content
    return contents
