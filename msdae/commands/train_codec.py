"""Train a codec like the one that ships, or fit the simple one."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from msdae import audio, cli, codecs, config, files, folders
from msdae.data.sets import DATASETS
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.locks import only_process

if TYPE_CHECKING:
    import torch

    from msdae.data.sources import ClipLength, SourceFile

CHECKED = 16  # files or, if there are fewer, clips whose round trip is measured, about
NEURAL = ("latents", "run", "cache", "device")  # options of the training; other codecs are fitted at once
Files = dict[str, "list[SourceFile]"]  # {split: files}


def main(argv: Sequence[str] | None = None) -> None:
    options = _parse(argv)
    files.check_replaceable(Path(options.out))
    if options.latents is not None:
        files.check_apart([Path(options.out)], [Path(options.latents)])
    (_train if options.codec == codecs.DEFAULT else _fit)(options)


def _train(options: argparse.Namespace) -> None:
    """Train latents and decoder of the neural codec or, with --latents, the decoder only."""
    from msdae.codecs import neural
    from msdae.nn.device import device
    from msdae.training.codec import PRODUCT, STAGES, CodecTrainConfig, train

    settings = config.load(CodecTrainConfig, options.config, options.set)
    files.make_folder(options.run)
    base = neural.NeuralCodec.from_file(options.latents) if options.latents is not None else None
    splits = _files(options, settings.codec.sample_rate)
    paths = {split: list(dict.fromkeys(file.path for file in chosen)) for split, chosen in splits.items()}
    if cut := set(paths["train"]).intersection(paths.get("valid", [])):
        reason = "is for training and for validation, but a codec is trained on whole recordings"
        raise UserError(f"{printable(min(cut))}: {reason}; give three or more")
    with only_process(options.run):
        place = device(options.device)
        codec = train(settings, paths, options.run, place, base, options.cache, tqdm)
        if codec is None:
            raise SystemExit(130)
        last = [name for name, steps in zip(STAGES, settings.steps, strict=False) if steps][-1]
        more = "train it for more steps (--set steps) in another --run, or on more recordings"
        _measure(codec.cpu(), splits, options.out, f"{more}; as it is, it is {options.run / last / PRODUCT}")
        codec.save(options.out)


def _fit(options: argparse.Namespace) -> None:
    """Fit the spectral codec: principal components, and the linear prediction from them."""
    from msdae.codecs import pca as spectral

    settings = config.load(spectral.SpectralConfig, options.config, options.set)
    rate = settings.sample_rate
    files = _files(options, rate)
    codec = spectral.fit(Clips(files["train"], rate), settings)
    explained = spectral.explained_variance(codec, Clips(_held_out(files), rate))
    print(f"{100 * explained:.1f} % of the variance of held-out files explained")
    _measure(codec, files, options.out, "give more recordings with --source, or --set channels")
    codec.save(options.out)


def _measure(codec: "codecs.Codec", splits: Files, path: str, fix: str) -> None:
    """Print how well held-out files come back. fix: what to do where they do not."""
    import torch

    from msdae.codecs.check import check_round_trip, require_reconstruction
    from msdae.evaluation import round_trip

    held_out = _held_out(splits)
    chosen = held_out[:: -(-len(held_out) // CHECKED)]
    each = -(-CHECKED // len(chosen))
    clips = torch.cat([_spread(clips, each) for clips in Clips(chosen, codec.sample_rate)])
    distance = check_round_trip(codec, clips)
    require_reconstruction(codec, distance, fix)
    print(f"{path}: fingerprint {codec.fingerprint[:12]}, round trip {distance:.1f} dB (held-out files)")
    decoded = codec.decode(codec.encode(clips))[:, : clips.shape[1]]
    means = round_trip.measures(clips, decoded, codec.sample_rate)
    print("held-out files: " + ", ".join(f"{name} {value:.3f}" for name, value in means.items()))


def _spread(clips: "torch.Tensor", most: int) -> "torch.Tensor":
    """At most `most` of the clips (any, samples), evenly spread; all of long files would fill memory."""
    count = min(most, len(clips))
    return clips[[(2 * number + 1) * len(clips) // (2 * count) for number in range(count)]]


def _held_out(splits: Files) -> "list[SourceFile]":
    return splits.get("valid", splits["train"])


class Clips:
    """Yields the clips of each file, (clips, samples), as training sees them; may be iterated repeatedly."""

    def __init__(self, files: "Sequence[SourceFile]", sample_rate: int):
        self.files, self.clip = files, _clip(sample_rate)

    def __iter__(self) -> "Iterator[torch.Tensor]":
        samples = self.clip.samples
        for file in tqdm(self.files, unit="file"):
            waveform = audio.read(file.path, self.clip.sample_rate)
            yield waveform[file.first * samples : (file.first + file.clips) * samples].reshape(-1, samples)


def _clip(sample_rate: int) -> "ClipLength":
    """The length of clips at a sample rate in Hz, in seconds that of the clips of the codec that ships.

    It is rounded down, so that a recording of a whole number of clips has as many.
    """
    from msdae.data.sources import ClipLength

    shipped = ClipLength()
    return ClipLength(shipped.samples * sample_rate // shipped.sample_rate, sample_rate)


def _files(options: argparse.Namespace, sample_rate: int) -> Files:
    """{split: files} of every --source or, by default, of the data set for this codec.

    The data set is rendered if it is missing.

    sample_rate: of the codec, in Hz.
    """
    from msdae.data.cache import MANIFEST
    from msdae.data.scanning import scan

    tally, clip = Tally(), _clip(sample_rate)
    if not options.source:
        name = "squares" if options.codec == codecs.DEFAULT else "synth"
        dataset, source = DATASETS[name], (options.data or folders.data() / name) / "source"
        if not (source.parent / "train" / MANIFEST).is_file():  # it was not prepared, so may be incomplete
            dataset.render(dataset.config(), source, progress=tqdm)
        return dataset.scan(source, tally, clip)
    every: Files = {}
    for source in map(Path, options.source):
        found = scan(source, tally, clip)
        for split in found.keys() & {"train", "valid"}:
            every.setdefault(split, []).extend(found[split])
    print("\n".join(tally.lines("files")))
    return every


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = cli.parser(
        "train-codec",
        "Train 'spectral-neural', the codec that ships, or fit 'spectral'. Without --source: on rendered\n"
        "data, which is made where missing. Killed and started again, the same line continues.",
        "--source ~/Music --out music.safetensors",
    )
    parser.add_argument(
        "--codec",
        choices=codecs.shipped(),
        default=codecs.DEFAULT,
        help="kind of codec",
    )
    parser.add_argument(
        "--config", type=Path, help="YAML file of settings, such as experiments/configs/codec-wide.yaml"
    )
    parser.add_argument(
        "--source",
        action="append",
        default=[],
        help="folder of recordings, a few of which are held out to measure, or of a rendered data set "
        "(repeatable)",
    )
    parser.add_argument(
        "--data", type=Path, help="folder of rendered data (default: data/squares; for spectral data/synth)"
    )
    parser.add_argument("--out", required=True, help="codec file to write (.safetensors)")
    parser.add_argument(
        "--run", type=Path, default=folders.runs() / "codec", help="folder of the training's state and logs"
    )
    parser.add_argument(
        "--cache",
        type=Path,
        help="folder for the decoded recordings, which trainings may share (default: --run)",
    )
    parser.add_argument(
        "--latents", metavar="FILE", help="train only the decoder, for the latents of this codec"
    )
    cli.add_set(parser, "override a setting, e.g. steps=[8000,7000]")
    cli.add_device(parser)
    options = parser.parse_args(argv)
    for name in NEURAL if options.codec != codecs.DEFAULT else ():
        if getattr(options, name) != parser.get_default(name):
            reason = f"of {codecs.DEFAULT} alone; leave it out, or leave out --codec {options.codec}"
            raise UserError(f"--{name}: {reason}")
    return options
