"""Learning a sound, and swapping with one: what cannot be learnt, what is no sound of the model."""

from harness import Case, bad

from cases.sources import BROKEN, FAST, PATHS, at

TINY = "--checkpoint @tiny.safetensors --device cpu"
LEARN = f"learn-sound {{}} --out a.sound --steps 2 {TINY}"
ANY = "learn-sound @a.wav --out a.sound"
SWAP = f"swap --sound {{}} --melody @b.wav --out y.wav {FAST}"
SOUNDLESS = ["silence.wav", "1-sample.wav", "100-samples.wav"]
ODD = [
    *("a.ogg", "a.aiff", "a.mp3", "8k.wav", "192k.wav", "8-channels.wav", "loud.wav", "u8.wav", "click.wav"),
    *("full-scale.wav", "dc.wav", "latin1.wav", "newline.wav", "link.wav", "no-suffix"),
]
OUTPUTS = [
    ("@folder", "folder: is a folder"),
    ("absent/a.sound", "absent"),
    ("/proc/a.sound", "/proc"),
    ("@fifo", "fifo"),
    ("@a.wav", "written as .sound"),
    ("@hard.wav", "written as .sound"),
    (f"{'n' * 300}.sound", "nnn"),
    ("''", "out|file"),
]
NUMBERS = ["0", "-1", "nan", "inf", "1e30", "x", "''", "1,2"]
SOUNDS = [
    ("missing.sound", "missing.sound: no such file"),
    ("@folder", "folder"),
    ("@fifo", "fifo"),
    ("@text.wav", "text.wav"),
    ("@a.wav", "a.wav"),
    ("@empty.wav", "empty.wav"),
    ("@tiny.safetensors", "tiny.safetensors: holds a model"),
    ("''", "sound|file"),
    ("/dev/null", "/dev/null"),
    ("@tiny.safetensors @tiny.safetensors @tiny.safetensors", "sound"),
]

CASES = [
    *bad(LEARN, at(BROKEN) + PATHS),
    *bad(LEARN, [(f"@{name}", f"{name}: ") for name in SOUNDLESS]),
    *bad(f"{ANY} {TINY} --steps {{}}", [(number, "steps") for number in NUMBERS]),
    *bad(f"{ANY} {TINY} --seconds {{}}", [(number, "seconds") for number in NUMBERS]),
    *bad(f"learn-sound @a.wav --steps 2 {TINY} --out {{}}", OUTPUTS),
    *bad("learn-sound {}", [("", "recordings"), ("@a.wav --surprise", "--surprise")]),
    *bad(SWAP, SOUNDS),
    *bad(
        f"swap --melody @b.wav --out y.wav {FAST} {{}}",
        [
            ("--timbre @a.wav --sound missing.sound", "sound|timbre"),
            ("--timbre @a.wav --learn 0", "learn"),
            ("--timbre @a.wav --learn nan", "learn"),
            ("--timbre @a.wav --learn x", "learn"),
            ("--timbre @silence.wav --learn", "silence.wav"),
            ("--sound missing.sound missing.sound --between 2", "between"),
            ("--sound missing.sound missing.sound --between nan", "between"),
            ("--learn", "timbre|source"),
        ],
    ),
    *(Case(f"learn-sound @{name} --out a.sound --steps 2 {TINY}", writes=("a.sound",)) for name in ODD),
    Case(f"learn-sound @a.wav @b.wav --out a.sound --steps 2 {TINY}", writes=("a.sound",)),
]
