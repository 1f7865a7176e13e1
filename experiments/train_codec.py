"""Fit the spectral codec on recordings; the fitted file can be named wherever a codec can."""

import argparse
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm

from msdae import audio, cli, config
from msdae.codecs import spectral
from msdae.codecs.check import require_round_trip
from msdae.data import folder, synth
from msdae.data.clips import CLIP_SAMPLES
from msdae.data.report import Report
from msdae.data.sources import SourceFile

EMBEDDED = Path("data/synth/source")
CHECKED = 16  # files whose round trip is measured


def main() -> None:
    arguments = _parse()
    settings = config.load(spectral.SpectralConfig, None, arguments.set)
    files = _files(arguments.source and Path(arguments.source))
    codec = spectral.fit(Clips(files["train"]), settings)
    held_out = Clips(files.get("valid", files["train"]))
    explained = spectral.explained_variance(codec, held_out)
    distance = require_round_trip(codec, torch.cat(list(islice(held_out, CHECKED))))
    spectral.save(codec, arguments.out)
    print(f"{arguments.out}: fingerprint {codec.fingerprint[:12]}")
    print(f"{100 * explained:.1f} % of the variance explained, round trip {distance:.1f} dB (held-out files)")


class Clips:
    """The clips of each file, (clips, CLIP_SAMPLES), as training will see them; may be read repeatedly."""

    def __init__(self, files: Sequence[SourceFile]):
        self.files = files

    def __iter__(self) -> Iterator[torch.Tensor]:
        for file in tqdm(self.files, unit="file"):
            waveform = audio.read(file.path)[: file.clips * CLIP_SAMPLES]
            yield waveform.reshape(-1, CLIP_SAMPLES)


def _files(source: Path | None) -> dict[str, list[SourceFile]]:
    report = Report()
    if source is None:
        synth.render(synth.Settings(), EMBEDDED)
        return synth.scan(EMBEDDED, report)
    files = folder.scan(source, report)
    print("\n".join(report.lines("files")))
    return files


def _parse() -> argparse.Namespace:
    parser = cli.parser(
        "Fit the spectral codec. Without --source it is fitted on the training split of the embedded synth "
        f"data, rendered to {EMBEDDED} where missing: this made the codec in the package.",
        "python experiments/train_codec.py --source ~/Music --out music.safetensors",
    )
    parser.add_argument("--source", help="folder of recordings; a few are held out to measure (synth data)")
    parser.add_argument("--out", required=True, help="fitted codec file (.safetensors)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the codec, as gain=2"
    )
    return parser.parse_args()


if __name__ == "__main__":
    cli.run(main)
