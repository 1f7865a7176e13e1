"""Data sets that are broken in every way, and options of prepare-data."""

import shutil

import trees
from harness import Case, bad
from trees import NOTE, STEM, as_folder, cut, gone, instead, text, tree, values

WORK = ("out/.parts/*",)
OUTS = ("out/*",)
OUT = "--out out --workers 1 --device cpu"
KINDS = {"recordings": "folder", "baby": "slakh"}  # what a folder of the library is called by --dataset
CASES: list[Case] = []


def rejected(dataset: str, name: str, change, says: str, line: str = "") -> None:
    """With --strict, preparing the broken data set stops at what is broken."""
    tree(name, dataset, change)
    CASES.append(
        Case(
            f"prepare-data --dataset {line or KINDS.get(dataset, dataset)} --source @{name} {OUT} --strict",
            says,
            leaves=WORK,
        )
    )


# -- folders of recordings

SOUND = "0.wav"
for _file in (
    "empty.wav",
    "text.wav",
    "cut.wav",
    "nan.wav",
    "0-samples.wav",
    "100-samples.wav",
    "0-channels.wav",
    "4g-data.wav",
):
    rejected("recordings", f"recordings-{_file}", instead(SOUND, _file), rf"{SOUND}|folder")
rejected("recordings", "recordings-flac", instead("z.flac", "cut.flac"), "z.flac")
CASES += [
    *bad(f"prepare-data --dataset folder --source {{}} {OUT}", [
        ("missing", "missing: no such folder"),
        ("@a.wav", "a.wav"),
        ("/dev/null", "/dev/null"),
        ("@folder", "folder: no recording"),
        ("@loop.wav", "loop.wav"),
        ("''", "source|no recording"),
        ("n" * 300, "nnn"),
        ("@dangling.wav", "dangling.wav"),
    ], WORK),
    *bad("prepare-data --dataset folder --source @recordings --workers 1 --device cpu --out {}", [
        ("@a.wav", "a.wav"),
        ("@a.wav/out", "a.wav"),
        ("/dev/null", "/dev/null"),
        ("/proc/out", "/proc"),
        ("@fifo", "fifo"),
        ("n" * 300, "nnn"),
        ("@loop.wav", "loop.wav"),
    ]),
    *bad(f"prepare-data --dataset folder --source @recordings {OUT} --workers {{}}", [
        (value, "workers") for value in ("0", "-1", "1.5", "x", "''", "1000000000000", "nan")
    ]),
    *bad(f"prepare-data --dataset folder --source @recordings {OUT} --shards {{}}", [
        (value, "shards") for value in ("0", "-1", "x", "''", "1e3", "1000000000000")
    ]),
    *bad(f"prepare-data --dataset folder --source @recordings {OUT} --codec {{}}", [
        ("missing", "codec|missing"), ("@text.wav", "text.wav"), ("@tiny.safetensors", "tiny"), ("@folder", "folder"),
        ("''", "codec"), ("/dev/null", "/dev/null"), ("@c-hop-0.safetensors", "c-hop-0"), ("@c-cut-2.safetensors", "c-cut-2"),
        ("@c-n_fft-0.safetensors", "c-n_fft-0"), ("@c-block-0.safetensors", "c-block-0"), ("@c-hop-2.safetensors", "c-hop-2"),
    ], WORK),
    *bad(f"prepare-data --dataset folder --source @recordings {OUT} --mel-of {{}}", [
        ("missing.yaml", "missing.yaml"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("/dev/null/x", "null"),
    ]),
    *bad(f"prepare-data --dataset folder --source @recordings {OUT} {{}}", [
        ("--clips 5", "clips"), ("--seed 1", "seed"), ("--set clips=1", "--set"), ("--config x.yaml", "--config"),
        ("--soundfont x", "soundfont"), ("--device abacus", "abacus"), ("--surprise", "--surprise"),
    ]),
    *bad("prepare-data {}", [
        ("", "--dataset"), ("--dataset", "--dataset"), ("--dataset music", "music"), ("--dataset ''", "dataset"),
        ("--dataset folder --out out", "--source"), ("--dataset nsynth --out out", "--source"), ("--dataset slakh --out out", "--source"),
    ]),
]  # fmt: skip

# -- NSynth

EXAMPLES, TRAIN = "nsynth-train/examples.json", "nsynth-train"
for _index, _text in enumerate(
    ("", "[]", "7", "null", "{", '"x"', "\ufeff{}", "[" * 100000, '{"a": NaN}', "{}", b"\xff\xfe{\0}\0")
):
    rejected("nsynth", f"nsynth-json-{_index}", text(EXAMPLES, _text), "examples.json|wav")
for _key in ("pitch", "velocity", "instrument_str", "instrument_family_str", "instrument_source_str"):
    rejected("nsynth", f"nsynth-no-{_key}", values(EXAMPLES, NOTE, _key), NOTE)
for _key, _values in {
    "pitch": (None, "x", -1, 128, 10**30, 60.5, [], True),
    "velocity": (None, "x", -1, [], 10**30),
    "instrument_str": (None, 7, [], {}),
    "instrument_family_str": (None, 7, []),
    "instrument_source_str": (None, 7, {}),
}.items():
    for _index, _value in enumerate(_values):
        rejected("nsynth", f"nsynth-{_key}-{_index}", values(EXAMPLES, NOTE, _key, value=_value), NOTE)
for _index, _value in enumerate((None, 7, "x", [], {})):
    rejected("nsynth", f"nsynth-entry-{_index}", values(EXAMPLES, NOTE, value=_value), NOTE)
for _index, _name in enumerate(("../../a", "/etc/passwd", "", "a/b", "x" * 300, "a\nb", "a\0b", "..")):
    rejected(
        "nsynth", f"nsynth-name-{_index}", values(EXAMPLES, _name, value={"pitch": 1}), "nsynth|wav|name"
    )
rejected("nsynth", "nsynth-no-json", gone(EXAMPLES), "examples.json")
rejected("nsynth", "nsynth-json-folder", as_folder(EXAMPLES), "examples.json")
rejected("nsynth", "nsynth-no-audio", gone(f"{TRAIN}/audio"), "wav|audio")
rejected("nsynth", "nsynth-no-wav", gone(f"{TRAIN}/audio/{NOTE}.wav"), NOTE)
rejected("nsynth", "nsynth-wav-folder", as_folder(f"{TRAIN}/audio/{NOTE}.wav"), NOTE)
for _file in ("empty.wav", "nan.wav", "cut.wav", "100-samples.wav"):
    rejected("nsynth", f"nsynth-{_file}", instead(f"{TRAIN}/audio/{NOTE}.wav", _file), NOTE)
rejected("recordings", "nsynth-none", gone("0.wav"), "nsynth", "nsynth")

# -- Slakh2100

TRACK = "train/Track00001"
META, STEM_FILE, MID = f"{TRACK}/metadata.yaml", f"{TRACK}/stems/S00.flac", f"{TRACK}/MIDI/S00.mid"
BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
for _index, _text in enumerate((
    "", "[]", "7", "stems: []", "stems: x", "stems: {S00: 7}", "stems: {S00: null}", "{", "\t- x", BOMB + "stems: {}",
    "stems: !!python/object/apply:os.system ['true']", "stems: {7: {}}", "stems: {S00: {is_drum: [1]}}", "[" * 20000, b"\xff\xfe\0",
    "stems: {../../../../x: {}}", "stems: {S00: {}, 7: {}}", "? [a, b]\n: c", "stems:\n  ? [a]\n  : {}", "--- a\n--- b",
    "stems: {S00: {program_num: 2020-13-45}}", "a: 1" * 3, "\0", "stems: {S00: {program_num: 33, midi_program_name: {a: 1}}}",
)):  # fmt: skip
    rejected("slakh", f"slakh-yaml-{_index}", text(META, _text), "metadata.yaml|S00|not the name of a stem|7")
for _key, _values in {
    "program_num": ("x", -1, 128, 10**30, [], {}, 3.5),
    "inst_class": (7, [], {}),
    "midi_program_name": (7, [], {}),
    "is_drum": ("x", [], 7),
    "audio_rendered": ("x", 7),
    "sound": ([], {}, 7),
}.items():
    for _index, _value in enumerate(_values):
        rejected(
            "slakh",
            f"slakh-{_key}-{_index}",
            values(META, "stems", "S00", _key, value=_value),
            "S00|metadata",
        )
for _stem in ("../../../../a", "/etc/passwd", "", "x" * 300, "a\nb"):
    rejected(
        "slakh",
        f"slakh-stem-{len(_stem)}",
        values(META, "stems", _stem, value=dict(STEM)),
        "metadata|flac|stem|name",
    )
for _name, _change in {
    "no-yaml": gone(META),
    "yaml-folder": as_folder(META),
    "no-stem": gone(STEM_FILE),
    "stem-folder": as_folder(STEM_FILE),
    "no-midi": gone(MID),
    "midi-folder": as_folder(MID),
    "midi-empty": text(MID, b""),
    "midi-text": text(MID, "no midi"),
    "midi-no-notes": text(
        MID, trees.MIDI[:22] + b"\x00\x00\x00\x04\x00\xff\x2f\x00"[0:4] + b"\x00\xff\x2f\x00"
    ),
    "midi-division-0": text(MID, trees.MIDI[:12] + b"\0\0" + trees.MIDI[14:]),
    "midi-smpte": text(MID, trees.MIDI[:12] + b"\xe7\x28" + trees.MIDI[14:]),
    "midi-tempo-0": text(MID, trees.MIDI.replace(b"\x07\xa1\x20", b"\0\0\0")),
    "midi-cut": cut(MID, 0.7),
    "midi-long": text(MID, trees.MIDI[:18] + b"\xff\xff\xff\xff" + trees.MIDI[22:]),
    "stem-cut": cut(STEM_FILE, 0.5),
    "stem-nan": instead(STEM_FILE, "nan.wav"),
    "stem-short": instead(STEM_FILE, "100-samples.wav"),
}.items():
    rejected("slakh", f"slakh-{_name}", _change, "S00|metadata")
rejected("recordings", "slakh-none", gone("0.wav"), "train|Track", "slakh")

# -- BabySlakh: wav files, and no folders of splits


def _baby(folder) -> None:
    for index, name in enumerate(("train", "train", "validation")):
        track = folder / f"Track0000{index}"
        shutil.copytree(folder / name / "Track00001", track)
        values("metadata.yaml", "UUID", value=f"u{index}")(track)
        for stem in (track / "stems").iterdir():
            trees.wave(stem.with_suffix(".wav"), 2.1 * trees.CLIP)
            stem.unlink()
    gone("train")(folder)
    gone("validation")(folder)


def _moved(file: str):
    """A change: the file or folder is a link to where it was moved."""

    def change(folder) -> None:
        aside = folder / "aside"
        aside.mkdir()
        (folder / file).rename(aside / "moved")
        (folder / file).symlink_to("../" * file.count("/") + "aside/moved")

    return change


tree("baby", "slakh", _baby)
BABY = "Track00000"
for _name, _change in {
    "few": gone(BABY),
    "no-yaml": gone(f"{BABY}/metadata.yaml"),
    "no-stem": gone(f"{BABY}/stems/S00.wav"),
    "no-stems": gone(f"{BABY}/stems"),
    "no-midi": gone(f"{BABY}/MIDI"),
    "empty-stem": instead(f"{BABY}/stems/S00.wav", "empty.wav"),
    "cut-stem": cut(f"{BABY}/stems/S00.wav", 0.5),
    "short": instead(f"{BABY}/stems/S00.wav", "a.wav"),
    "file": lambda folder: (gone(BABY)(folder), (folder / BABY).write_text("x")),
    "dangling": lambda folder: (gone(f"{BABY}/stems/S00.wav")(folder), (folder / BABY / "stems/S00.wav").symlink_to("nowhere")),
    "loop": lambda folder: (gone(BABY)(folder), (folder / BABY).symlink_to(BABY)),
    "flat": lambda folder: ((folder / BABY / "stems").rename(folder / "stems"), [gone(track.name)(folder) for track in folder.glob("Track*")]),
}.items():  # fmt: skip
    rejected("baby", f"baby-{_name}", _change, "S00|metadata|tracks|stem|Track", "slakh")

# -- links are followed, in data sets and to them

for _name, (_dataset, _change) in {
    "recording": ("recordings", _moved("0.wav")),
    "note": ("nsynth", _moved(f"{TRAIN}/audio/{NOTE}.wav")),
    "notes": ("nsynth", _moved(f"{TRAIN}/audio")),
    "stem": ("slakh", _moved(STEM_FILE)),
    "track": ("slakh", _moved(TRACK)),
    "split": ("slakh", _moved("train")),
}.items():
    tree(f"linked-{_name}", _dataset, _change)
    CASES.append(
        Case(
            f"prepare-data --dataset {KINDS.get(_dataset, _dataset)} --source @linked-{_name} {OUT} --strict",
            leaves=OUTS,
            writes=("out/train/manifest.json",),
        )
    )

# -- squares: their folders are rendered, and rendered only where they are missing

SQUARE = "train/Square00000/square.json"
for _index, _text in enumerate(
    ("", "[]", "7", "{", '{"XP": 7}', '{"../x": {}}', '{"XP": {"notes": 7}}', '{"XP": {}}')
):
    tree(f"squares-json-{_index}", "squares", text(SQUARE, _text))

# -- good: what is broken is left out and named, or does not matter

for _name, _change in {
    "bad-one": instead("0.wav", "empty.wav"),
    "mac": text("._0.wav", b"\0\5\x16\7" + bytes(100)),
    "text-beside": text("notes.txt", "hello"),
    "deep": lambda folder: trees.wave(folder / "a/b/c d/é.wav", 4.0),
    "8k": lambda folder: trees.wave(folder / "low.wav", 4.0, 8000),
    "silent": lambda folder: instead("0.wav", "silence.wav")(folder),
    "circle": lambda folder: (folder / "circle").symlink_to(folder),
    "dangling": lambda folder: (folder / "d.wav").symlink_to("nowhere"),
}.items():
    tree(f"recordings-ok-{_name}", "recordings", _change)
    CASES.append(
        Case(
            f"prepare-data --dataset folder --source @recordings-ok-{_name} {OUT}",
            leaves=OUTS,
            writes=("out/train/manifest.json",),
        )
    )
CASES += [
    Case(
        f"prepare-data --dataset {KINDS.get(name, name)} --source @{name} {OUT}",
        leaves=OUTS,
        writes=("out/train/manifest.json",),
    )
    for name in ("nsynth", "slakh", "baby")
]
