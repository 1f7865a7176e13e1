"""From source files to caches or shards: scan, report, encode in parts, assemble."""

import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from msdae import launcher, limits
from msdae.data import cache, parts, shards
from msdae.data.encode import Encoding, PartTask, check_codec, encode_part, is_whole, read_json, tools
from msdae.data.labels import check_labels
from msdae.data.rendering import RenderConfig
from msdae.data.sets import DATASETS
from msdae.data.sources import ClipLength, SourceFile
from msdae.data.tally import Tally
from msdae.errors import UserError, printable
from msdae.files import atomic_folder, check_replaceable, digest
from msdae.locks import only_process
from msdae.progress import Progress, silent

logger = logging.getLogger(__name__)
CLIPS_PER_PART = 128  # what a killed run does again, and 17 MB on disk
MANY = 3000  # clips of the smallest set that a training from random weights was measured with


@dataclass(frozen=True)
class Plan:
    """One split to prepare.

    key: names its settings and files, so that other work is never mixed in.
    older: as an earlier msdae named them, which did not look into MIDI files.
    """

    split: str
    key: str
    older: str
    parts: list[parts.Part]


def prepare_set(
    dataset: str,
    out: Path,
    encoding: Encoding,
    source: Path | None = None,
    config: RenderConfig | None = None,
    strict: bool = False,
    workers: int | None = None,
    shard_clips: int | None = None,
    progress: Progress = silent,
) -> Tally:
    """Scan the data set `dataset` (a name in `DATASETS`) and prepare it in `out`; log what was left out.

    source: folder of its recordings; where they are rendered, by default `out/source`.
    config: of the rendering, by default the data set's own.
    strict: stop at the first file that is rejected.

    Returns:
        the tally of the clips, as `prepare`.

    Raises:
        UserError: as `prepare`; no such data set; no `source` for one that is not rendered.
    """
    entry, clip = DATASETS[dataset], ClipLength.of(tools(encoding)[0])
    if entry.config is None and source is None:
        raise UserError(f"--dataset {dataset}: name the folder it is in with --source")
    with only_process(out):
        check_replaceable(out / cache.MANIFEST)  # whether anything can be written there, before the work
        if entry.config is not None:
            source = source or out / "source"
            entry.render(config or entry.config(), source, clip, workers, progress)
        tally = Tally(strict)
        splits = entry.scan(source, tally, clip, progress)
        files = {split: members for split, members in splits.items() if members}
        lines = tally.lines("files")
        if not files:
            raise UserError(
                "\n".join([f"{printable(source)}: nothing in it that can be used; check --source", *lines])
            )
        _log(lines)
        clips = prepare(files, out, source, dataset, encoding, tally, workers, shard_clips, progress)
        _log(report(out, list(files), clips, rendered=entry.config is not None))
    return clips


def report(out: Path, splits: Sequence[str], clips: Tally, rendered: bool) -> list[str]:
    """Lines about the prepared `splits` in `out`: what was left out of them, their sizes, what they lack.

    clips: the tally of the clips that were prepared. rendered: whether the set was rendered, so that it has
        as many clips as were asked for.
    """
    manifests = {split: cache.read_manifest(out / split) for split in splits}
    sizes = {split: manifest["clips"] for split, manifest in manifests.items()}
    lines = clips.lines("clips")
    if not clips.total:
        lines = [f"{printable(out)}: all {_plural(sum(sizes.values()))} were prepared before"]
    times = {split: _duration(size * cache.seconds_of(manifests[split])) for split, size in sizes.items()}
    lines.append(", ".join(f"{split} {_plural(sizes[split])} ({times[split]})" for split in splits))
    missing = [split for split in ("train", "valid") if split not in sizes]
    lines += [f"no {split} split: training needs it; add it" for split in missing]
    if not rendered and sizes.get("train", MANY) < MANY:
        fits = cache.fits_shipped(manifests["train"])
        way = "go on with" if fits else "prepare them without --codec and --mel-of, and go on with"
        lines.append(
            f"few for training: {way} the model that ships, which has learnt from 300 000 clips; what "
            f"fewer than {MANY} add to it, or teach random weights, was not measured"
        )
    return lines


def _plural(clips: int) -> str:
    return f"{clips} clip{'s' * (clips != 1)}"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def prepare(
    files: dict[str, list[SourceFile]],
    out: Path,
    source: Path,
    dataset: str,
    encoding: Encoding,
    tally: Tally,
    workers: int | None = None,
    shard_clips: int | None = None,
    progress: Progress = silent,
) -> Tally:
    """Encode the files of each split and install `out/SPLIT`; return the tally of their clips
    (on the first rank; empty on the others).

    tally: of the scan; its strictness goes on to the encoding.
    shard_clips: write WebDataset shards of so many clips instead of a memory-mapped cache.
    The log says early where training would refuse the codec.
    A run that was killed continues; ranks started together share the work, and the first assembles it.

    Raises:
        UserError: `out` holds another data set, a file has labels that no clip can have, two files of a split
            have one name, nothing is left of a split, or a file was rejected and `tally` is strict.
    """
    work = out / ".parts"
    for members in files.values():
        _check_files(members)
    plans = [_plan(split, members, work, source, encoding, tally.strict) for split, members in files.items()]
    plans = [plan for plan in plans if not _is_prepared(out / plan.split, plan, shard_clips)]
    _require_disk(plans, work, encoding)
    if encoding.device != "cpu":
        workers = 1  # the accelerator is one
    every = [part for plan in plans for part in plan.parts]
    if every and launcher.rank() == 0:
        check_codec(every[0].task)
    parts.run(every, "encode", "clip", workers, progress)
    if launcher.rank() == 0:
        clips = Tally()
        for plan in plans:
            paths = [part.path for part in plan.parts]
            parts.wait_for(paths)
            clips.merge(_counts(paths, out / plan.split))
            manifest = _manifest(plan, out, source.resolve(), dataset, encoding)
            _install(paths, manifest, out / plan.split, shard_clips, progress)
        shutil.rmtree(work, ignore_errors=True)
        return clips
    manifests = [out / plan.split / cache.MANIFEST for plan in plans]
    parts.wait_for(manifests, signs=[part.path for part in every])
    return Tally()


def _log(lines: Sequence[str]) -> None:
    """Say once for all ranks what was accepted and why the rest was not."""
    if launcher.rank() == 0:
        for line in lines:
            logger.info(line)


def _check_files(files: Sequence[SourceFile]) -> None:
    """Raise a UserError if a cache with these labels would be refused, or if two files have one name, since
    clips without a score are told apart by their names."""
    fix = "mend `scan` of the data set (docs/extend.md, A data set)"
    names: dict[str, Path] = {}
    for file in files:
        if (other := names.setdefault(file.name, file.path)) != file.path:
            raise UserError(
                f"{printable(file.path)}: has the name {printable(file.name)!r}, as {printable(other)}; {fix}"
            )
        try:
            json.dumps(file.labels)
            check_labels(file.labels)
        except (TypeError, ValueError) as error:
            reason = f"labels that no clip can have ({printable(error)})"
            raise UserError(f"{printable(file.path)}: {reason}; {fix}") from error


def _plan(
    split: str, files: Sequence[SourceFile], work: Path, source: Path, encoding: Encoding, strict: bool
) -> Plan:
    codec, log_mel = tools(encoding)
    identity = [codec.fingerprint, asdict(log_mel.config), CLIPS_PER_PART, cache.FORMAT]
    identity += [
        [file.name, file.clips, _digest(file), file.labels, *([file.first] if file.first else [])]
        for file in files
    ]
    older = key = _hash(identity)
    if scores := [digest(file.midi) for file in files if file.midi is not None and file.midi.is_file()]:
        key = _hash([*identity, scores])
    folder = work / f"{split}-{key}"
    work_parts = []
    for index, group in enumerate(_groups(files)):
        group = [
            replace(file, path=_below(file.path, source), midi=_below(file.midi, source)) for file in group
        ]
        task = PartTask(encoding, group, source.resolve(), strict)
        weight = sum(file.clips for file in group)
        work_parts.append(parts.Part(encode_part, task, folder / f"{index:06d}.npz", weight, is_whole))
    return Plan(split, key, older, work_parts)


def _hash(identity: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]


def _digest(file: SourceFile) -> str:
    """The digest of a file; "" if the file is missing, which its encoding will report."""
    return file.digest or (digest(file.path) if file.path.is_file() else "")


def _below(path: Path | None, source: Path) -> Path | None:
    """A path below `source` that any process can open; links on the way to it are kept."""
    return None if path is None else source.resolve() / path.relative_to(source)


def _require_disk(plans: Sequence[Plan], folder: Path, encoding: Encoding) -> None:
    """Raise a UserError unless there is room for the clips, twice: in parts and assembled."""
    codec, log_mel = tools(encoding)
    mel = log_mel.config.bands * codec.clip_samples // log_mel.config.hop
    size = 2 * (codec.channels * codec.clip_frames + mel)  # bytes of a clip, two a number
    every = [part for plan in plans for part in plan.parts]
    clips = sum(part.weight for part in every)
    encoded = sum(part.weight for part in every if part.path.exists())
    limits.require_disk(folder, (2 * clips - encoded) * size, f"encoding {clips} clips")


def _groups(files: Sequence[SourceFile]) -> Iterator[list[SourceFile]]:
    """Consecutive files of about `CLIPS_PER_PART` clips together."""
    group: list[SourceFile] = []
    for file in files:
        group.append(file)
        if sum(member.clips for member in group) >= CLIPS_PER_PART:
            yield group
            group = []
    if group:
        yield group


def _is_prepared(folder: Path, plan: Plan, shard_clips: int | None) -> bool:
    """Whether `folder` already holds exactly this, in shards where `shard_clips` asks for them.

    Raises:
        UserError: it holds something else.
    """
    if not folder.exists():
        return False
    manifest = cache.read_manifest(folder)
    if manifest["key"] not in (plan.key, plan.older):
        raise UserError(f"{folder}: made from other files or settings; delete it or choose another --out")
    if shard_clips is not None and "shards" not in manifest:
        raise UserError(f"{printable(folder)}: made without --shards; delete it or choose another --out")
    return True


def _manifest(plan: Plan, out: Path, source: Path, dataset: str, encoding: Encoding) -> dict[str, Any]:
    codec, log_mel = tools(encoding)
    folder = out.resolve() / plan.split
    inside = source.is_relative_to(out.resolve())  # then both may be moved together
    return {
        "format": cache.FORMAT,
        "key": plan.key,
        "dataset": dataset,
        "split": plan.split,
        "source": os.path.relpath(source, folder) if inside else str(source),
        "codec": {
            "name": codec.name,
            "fingerprint": codec.fingerprint,
            **{size: getattr(codec, size) for size in cache.SIZES},
        },
        "frames": codec.clip_frames,
        "mel": asdict(log_mel.config),
    }


def _counts(paths: Sequence[Path], folder: Path) -> dict[str, Any]:
    """The counts of all parts of a split.

    Raises:
        UserError: none of its clips was accepted.
    """
    tally = Tally()
    for path in paths:
        tally.merge(read_json(path, "tally"))
    if not tally.accepted:
        lines = [
            f"{folder}: nothing to put there; take these files out or repair them",
            *tally.lines("clips"),
        ]
        raise UserError("\n".join(lines))
    return tally.counts()


def _install(
    paths: Sequence[Path],
    manifest: dict[str, Any],
    folder: Path,
    shard_clips: int | None,
    progress: Progress,
) -> None:
    labels = [label for path in paths for label in read_json(path, "labels")]
    manifest["clips"] = len(labels)
    with atomic_folder(folder) as temporary:
        if shard_clips is None:
            manifest["latent"] = _write_arrays(paths, temporary, len(labels), progress)
            lines = (json.dumps(label) + "\n" for label in labels)
            (temporary / cache.CLIPS).write_text("".join(lines))
        else:
            manifest["latent"] = _statistics(_members(paths))
            manifest["shards"] = shards.write(_records(paths), temporary, shard_clips)
        (temporary / cache.MANIFEST).write_text(json.dumps(manifest, indent=1))


def _members(paths: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """(latents, mels) of each part that has clips."""
    for path in paths:
        with np.load(path, allow_pickle=False) as arrays:
            if "latents" in arrays:
                yield arrays["latents"], arrays["mels"]


def _records(paths: Sequence[Path]) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, Any]]]:
    """(latent, mel, labels) of each clip."""
    for path in paths:
        labels = read_json(path, "labels")
        for latents, mels in _members([path]):
            yield from zip(latents, mels, labels, strict=True)


def _write_arrays(paths: Sequence[Path], folder: Path, clips: int, progress: Progress) -> dict[str, Any]:
    """Write the arrays of all parts behind each other and return the latents' statistics."""
    first = next(_members(paths))
    with open(folder / cache.LATENTS, "wb") as latents, open(folder / cache.MELS, "wb") as mels:
        for file, array in zip((latents, mels), first, strict=True):
            kind = np.lib.format.dtype_to_descr(array.dtype)
            header = {"descr": kind, "fortran_order": False, "shape": (clips, *array.shape[1:])}
            np.lib.format.write_array_header_1_0(file, header)
        for arrays in progress(_members(paths), desc="assemble", unit="part", total=len(paths), leave=False):
            for file, array in zip((latents, mels), arrays, strict=True):
                file.write(np.ascontiguousarray(array))  # not mapped: a full disk would end the process
    return _statistics(_members(paths))


def _statistics(members: Iterator[tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """Mean of each latent channel, and standard deviation of all values about their channel's mean."""
    count, total, squares = 0, 0.0, 0.0
    for latents, _ in members:
        values = latents.astype(np.float64)
        count += values.shape[0] * values.shape[2]
        total = total + values.sum(axis=(0, 2))
        squares = squares + np.square(values).sum(axis=(0, 2))
    mean = total / count
    variance = squares / count - np.square(mean)
    return {"mean": mean.tolist(), "std": float(np.sqrt(variance.mean()))}
