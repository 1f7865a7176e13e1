"""Small data sets, caches and folders of results by name, whole and broken."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
import yaml
from library import BESIDE, MAKERS, original, tone, within

CLIP = 131072 / 44100  # seconds


def tree(name: str, source: str, change: Callable[[Path], Any]) -> None:
    """A folder `name` that is a copy of `source`, changed."""

    def make(path: Path) -> None:
        shutil.copytree(original(source), path, symlinks=True)
        change(path)

    MAKERS[name] = make


def text(file: str, content: str | bytes) -> Callable[[Path], None]:
    """A change: the file has this content."""

    def change(folder: Path) -> None:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)

    return change


def gone(file: str) -> Callable[[Path], None]:
    """A change: the file or folder is missing."""

    def change(folder: Path) -> None:
        path = folder / file
        shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def cut(file: str, share: float) -> Callable[[Path], None]:
    """A change: the file ends early."""
    return lambda folder: text(file, (data := (folder / file).read_bytes())[: int(len(data) * share)])(folder)


def as_folder(file: str) -> Callable[[Path], None]:
    """A change: a folder has the file's name."""

    def change(folder: Path) -> None:
        gone(file)(folder)
        (folder / file).mkdir()

    return change


def instead(file: str, name: str) -> Callable[[Path], None]:
    """A change: the file is another of the library."""
    return lambda folder: shutil.copyfile(original(name), folder / file)


def values(file: str, *keys: Any, value: Any = ...) -> Callable[[Path], None]:
    """A change of a value in a JSON or YAML file, or without `value` its removal."""

    def change(folder: Path) -> None:
        path = folder / file
        read, write = (json.loads, json.dumps) if path.suffix == ".json" else (yaml.safe_load, yaml.safe_dump)
        document = read(path.read_text())
        within(*keys, value=value)(document)
        path.write_text(write(document))

    return change


# -- data sets

MIDI = b"MThd\x00\x00\x00\x06\x00\x01\x00\x01\x01\xe0MTrk\x00\x00\x00\x14\x00\xff\x51\x03\x07\xa1\x20"
MIDI += b"\x00\x90\x3c\x40\x83\x60\x80\x3c\x40\x00\xff\x2f\x00"
NOTE = "guitar_acoustic_000-060-075"
STEM = {
    "audio_rendered": True,
    "inst_class": "Bass",
    "is_drum": False,
    "program_num": 33,
    "midi_program_name": "Bass",
}


def wave(path: Path, seconds: float, rate: int = 44100, pitch: float = 220.0) -> None:
    """A recording."""
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone(seconds, rate, pitch=pitch), rate)


def _recordings(path: Path) -> None:
    for index in range(4):
        wave(path / f"{index}.wav", 2.1 * CLIP, pitch=200.0 + 20 * index)


def _nsynth(path: Path) -> None:
    for split in ("train", "valid"):
        folder = path / f"nsynth-{split}"
        labels = {
            "pitch": 60,
            "velocity": 75,
            "instrument_str": "g",
            "instrument_family_str": "guitar",
            "instrument_source_str": "acoustic",
        }
        for name in (NOTE, "b-050-100"):
            wave(folder / "audio" / f"{name}.wav", 4.0, 16000)
        (folder / "examples.json").write_text(
            json.dumps({NOTE: labels, "b-050-100": {**labels, "pitch": 50}})
        )


def _slakh(path: Path) -> None:
    for split in ("train", "validation"):
        track = path / split / "Track00001"
        (track / "MIDI").mkdir(parents=True)
        for stem in ("S00", "S01"):
            wave(track / "stems" / f"{stem}.flac", 2.1 * CLIP)
            (track / "MIDI" / f"{stem}.mid").write_bytes(MIDI)
        (track / "metadata.yaml").write_text(
            yaml.safe_dump({"UUID": "u", "stems": {"S00": STEM, "S01": dict(STEM)}})
        )


def _squares(path: Path) -> None:
    labels = {
        "kind": "melody",
        "piece": "p",
        "score": "Square00000/X",
        "sound": "s",
        "instrument": "i",
        "notes": [[0.0, 1.0, 60, 90]],
    }
    for split in ("train", "validation"):
        square = path / split / "Square00000"
        for cell in ("XP", "XQ", "YP", "YQ"):
            wave(square / f"{cell}.flac", CLIP + 0.001)
        (square / "square.json").write_text(json.dumps(dict.fromkeys(("XP", "XQ", "YP", "YQ"), labels)))


MAKERS |= {"recordings": _recordings, "nsynth": _nsynth, "slakh": _slakh, "squares": _squares}


# -- prepared caches


@torch.no_grad()
def _cache(path: Path) -> None:
    from dataclasses import asdict

    from msdae import codecs
    from msdae.audio.mel import LogMel, MelConfig

    codec = codecs.load(codecs.DEFAULT)
    log_mel = LogMel(MelConfig().fitted(codec.sample_rate, codec.hop))
    mel = log_mel.config
    tones = [tone(CLIP, pitch=200.0 + 20 * number)[:, 0] for number in range(8)]
    waveforms = torch.from_numpy(np.stack(tones)).float()
    arrays = {"latents": codec.encode(waveforms), "mels": log_mel(waveforms)}
    for split in ("train", "valid", "test"):
        folder = path / split
        folder.mkdir(parents=True)
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array.half().numpy())
        clips = [
            {"name": f"c{index}", "path": f"{index}.wav", "start": 0.0, "dataset": "nsynth", "kind": "note",
             "piece": f"c{index}", "stem": f"c{index}", "instrument": f"i{index % 2}", "family": "guitar",
             "pitch": 60 + index, "velocity": 80, "notes": [[0.0, 2.0, 60 + index, 80]]}
            for index in range(8)
        ]  # fmt: skip
        (folder / "clips.jsonl").write_text("".join(json.dumps(clip) + "\n" for clip in clips))
        manifest = {
            "format": 2, "key": f"key-{split}", "dataset": "nsynth", "split": split, "source": "../source",
            "codec": {"name": codec.name, "fingerprint": codec.fingerprint, "hop": 4096, "sample_rate": 44100,
                      "channels": 64},
            "clips": 8, "frames": 32, "mel": asdict(mel), "latent": {"mean": [0.0] * 64, "std": 1.0},
        }  # fmt: skip
        (folder / "manifest.json").write_text(json.dumps(manifest))


MAKERS["cache"] = _cache

# -- recordings with MIDI beside them

for _stem, _midi in {
    "midi-text": b"no midi",
    "midi-empty": b"",
    "midi-folder": None,
    "midi-tempo-0": MIDI.replace(b"\x07\xa1\x20", b"\0\0\0"),
    "midi-division-0": MIDI[:12] + b"\0\0" + MIDI[14:],
    "midi-cut": MIDI[:30],
}.items():
    MAKERS[f"{_stem}.wav"] = lambda path: wave(path, 1.0)
    BESIDE[f"{_stem}.wav"] = (f"{_stem}.mid", _midi)
