"""Libraries of recorded samples: SFZ files and folders of notes that are broken, odd or want to get out."""

import shutil

from harness import Case, bad, calls
from library import MAKERS, original
from trees import wave

PREPARE = "prepare-data --dataset squares --clips 4 --workers 1 --device cpu --out out --samples"
OUTSIDE, NOTHING = "outside of", "no region"
INSIDE = {"silent.wav": "silence.wav", "text.wav": "text.wav", "cut.wav": "cut.wav", "nan.wav": "nan.wav"}
BROKEN = {  # name: (text of lib.sfz, what is said)
    "empty": ("", NOTHING),
    "text": ("this is no SFZ file\n" * 9, NOTHING),
    "binary": (bytes(range(256)) * 9, NOTHING),
    "group": ("<group> volume=3", NOTHING),
    "no-sample": ("<region> key=60", NOTHING),
    "missing": ("<region> sample=nowhere.wav", NOTHING),
    "generator": ("<region> sample=*sine", NOTHING),
    "folder": ("<region> sample=.", NOTHING),
    "text-sample": ("<region> sample=text.wav", NOTHING),
    "release": ("<region> sample=a.wav trigger=release", NOTHING),
    "keys": ("<region> sample=a.wav lokey=70 hikey=60", NOTHING),
    "key-999": ("<region> sample=a.wav key=999", NOTHING),
    "above": ("<region> sample=../../a.wav", OUTSIDE),
    "absolute": ("<region> sample=/etc/passwd", OUTSIDE),
    "drive": (r"<region> sample=C:\a.wav", OUTSIDE),
    "default-path": ("<control> default_path=../ <region> sample=a.wav", OUTSIDE),
    "link": ("<region> sample=link.wav", OUTSIDE),
    "null": ("<region> sample=a\0.wav", "null"),
    "includes-itself": ('#include "lib.sfz"\n<region> sample=a.wav', "lib.sfz"),
    "includes-nothing": ('#include "nowhere.txt"\n', "nowhere.txt"),
    "includes-above": ('#include "../../../etc/passwd"\n', OUTSIDE),
    "bomb": ("#define $A xxxxxxxx\n" + "#define $A $A$A\n" * 40 + "<region> sample=a.wav", "too long"),
    "key": ("<region> sample=a.wav key=x", "lib.sfz"),
    "volume": ("<region> sample=a.wav volume=loud", "lib.sfz"),
    "nan": ("<region> sample=a.wav volume=nan", "lib.sfz"),
    "offset": ("<region> sample=a.wav offset=1e400", "lib.sfz"),
}
WHOLE = {
    "one": "<region> sample=a.wav key=60",
    "latin1": b"// caf\xe9\n<region> sample=a.wav",
    "unknown": "<region> sample=a.wav surprise=7 cutoff=500 <effect> type=x <curve> v000=1",
    "some-missing": "<region> sample=nowhere.wav <region> sample=a.wav",
    "end": "<region> sample=a.wav offset=9999999999 end=5",
    "loop": "<region> sample=a.wav loop_start=9 loop_end=5 loop_mode=loop_continuous",
    "tune": "<region> sample=a.wav tune=999999 pitch_keytrack=1200",
    "silent": "<region> sample=silent.wav",
}


def _library(name: str, text: str | bytes) -> None:
    def make(path) -> None:
        path.mkdir()
        (path / "lib.sfz").write_bytes(text.encode() if isinstance(text, str) else text)
        for file, source in {"a.wav": "a.wav", **INSIDE}.items():
            shutil.copyfile(original(source), path / file)
        (path / "link.wav").symlink_to("/etc/hostname")

    MAKERS[name] = make


def _folder(name: str, files: dict[str, str]) -> None:
    def make(path) -> None:
        path.mkdir()
        for file, source in files.items():
            shutil.copyfile(original(source), path / file)

    MAKERS[name] = make


def _notes(path) -> None:
    for name, pitch in {"C3": 130.8, "F3": 174.6, "C4": 261.6, "F4": 349.2, "C5": 523.3}.items():
        wave(path / f"cello_{name}_forte.wav", 0.25, pitch=pitch)


for _name, (_text, _) in BROKEN.items():
    _library(f"sfz-{_name}", _text)
for _name, _text in WHOLE.items():
    _library(f"sfz-{_name}", _text)
_folder("notes-silent", {"cello_C4.wav": "silence.wav"})
_folder("notes-text", {"cello_C4.wav": "text.wav", "cello_D4.wav": "empty.wav"})
_folder("notes-nan", {"cello_C4.wav": "nan.wav"})
_folder("notes-unnamed", {"one.wav": "click.wav", "two.wav": "click.wav"})
MAKERS["notes-good"] = _notes


def _play(name: str):
    """A call that plays a note with each instrument of a library."""
    from msdae.synthesis import sampler

    def call(place) -> None:
        for instrument in sampler.instruments(place / name):
            assert len(sampler.render([(0.0, 0.5, 60, 90)], instrument, 44100)) == 44100

    return call


CASES = [
    *bad(f"{PREPARE} {{}}", [
        ("missing", "missing"), ("@a.wav", "a.wav"), ("@folder", "folder"), ("''", "samples|librar|neither"), ("/dev/null", "/dev/null"),
        ("@loop.wav", "loop.wav"), ("@text.wav", "text.wav"), ("n" * 300, "nnn"), ("@notes-good/cello_C3_forte.wav", "cello"),
        *((f"@sfz-{name}", says) for name, (_, says) in BROKEN.items()),
        *((f"@{name}", name) for name in ("notes-silent", "notes-text", "notes-nan", "notes-unnamed")),
    ], ("out/*",)),
    *calls((f"play @{name}", "", _play(name)) for name in (*(f"sfz-{name}" for name in WHOLE), "notes-good")),
    Case("prepare-data --dataset folder --source @recordings --out out --samples @notes-good", "samples"),
]  # fmt: skip
