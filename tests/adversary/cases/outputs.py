"""Where results go: what is no place for a file, and what would be lost by writing there."""

from harness import Case, bad

FAST = "--steps 1 --device cpu"
LONG = "n" * 300
OUTPUTS = [  # of a file of sound
    ("@folder.wav", "folder.wav: is a folder"),
    ("@folder", "folder"),
    ("absent/y.wav", "absent|its length"),  # score makes the folder
    ("@text.wav/y.wav", "text.wav"),
    ("/dev/null", "/dev/null"),
    ("/dev/full", "/dev/full"),
    ("/proc/y.wav", "/proc"),
    ("/sys/y.wav", "/sys"),
    ("@fifo.wav", "fifo.wav: .*no regular file"),
    ("@socket.wav", "socket.wav: .*no regular file"),
    ("@loop.wav", "loop.wav: "),
    ("y.mp3", "y.mp3: .*extension"),
    ("y.txt", "y.txt: "),
    ("y", "y: "),
    ("''", r"out|json|\.: "),
    (".wav", "wav: "),
    (f"{LONG}.wav", "wav: .*name"),
    ("@a.wav", "a.wav: is also an input"),
    ("@b.wav", "b.wav: is also an input"),
    ("./@a.wav", "a.wav: is also an input"),
    ("../place/@b.wav", "b.wav: is also an input"),
    ("@hard.wav", "hard.wav: is also an input"),
    ("@link.wav", "link.wav: is also an input"),
]
PLOTS = [
    ("@folder", "folder"),
    ("absent/p.png", "absent"),
    ("/dev/null", "/dev/null"),
    ("/proc/p.png", "/proc"),
    ("@fifo", "fifo"),
    ("p.txt", "p.txt: "),
    ("p.jpeg2", "p.jpeg2: "),
    ("p", "p: "),
    ("''", r"plot|\.: "),
    (f"{LONG}.png", "png: .*name"),
    ("@a.wav", "a.wav: "),
    ("@loop.wav", "loop.wav: "),
]
TABLES = [
    ("@folder", "folder"),
    ("absent/t.md", "absent"),
    ("/dev/null", "/dev/null"),
    ("/proc/t.md", "/proc"),
    ("t.txt", "t.txt: "),
    ("t", "t: "),
    ("''", r"out|json|\.: "),
    (f"{LONG}.md", "md: .*name"),
]
FILES = [
    row
    for row in OUTPUTS
    if row[0]
    not in (
        "y.mp3",
        "y.txt",
        "y",
        "./@a.wav",
        "../place/@b.wav",
        "@a.wav",
        "@b.wav",
        "@hard.wav",
        "@link.wav",
        ".wav",
        "@folder",
    )
]
FILES = [*FILES, ("@folder", "folder")]
FOLDERS = [  # of results
    ("@text.wav", "text.wav: "),
    ("@text.wav/deeper", "text.wav"),
    ("/dev/null", "/dev/null"),
    ("/dev/null/x", "/dev/null"),
    ("/proc/x", "/proc"),
    ("@fifo", "fifo: "),
    ("@loop.wav", "loop.wav: "),
    ("@dangling.wav", "dangling.wav: |nowhere"),
    (LONG, "nnn: .*name"),
]
SWAP = "swap --timbre @a.wav --melody @b.wav"

CASES = [
    *bad(f"{SWAP} {FAST} --out {{}}", OUTPUTS),
    *bad(
        f"reconstruct @a.wav {FAST} --out {{}}",
        [row for row in OUTPUTS if row[0] != "@b.wav" and row[0] != "../place/@b.wav"],
    ),
    *bad(f"{SWAP} {FAST} --out y.wav --plot {{}}", PLOTS),
    *bad(f"interpolate --timbre @a.wav --melody @b.wav --count 2 {FAST} --out {{}}", FOLDERS),
    *bad(f"interpolate --timbre @a.wav --melody @b.wav --count 2 {FAST} --plot {{}}", PLOTS),
    Case(f"{SWAP} {FAST} --out y.wav --plot y.wav", "y.wav: "),
    *(
        Case(f"swap --timbre @{n} --melody @b.wav {FAST} --out y.wav --plot @{n}", f"{n}: ")
        for n in ("a.png", "a.svg")
    ),
    *bad("compare-codecs --codec spectral --out {}", TABLES),
    *bad("measure-interpolation --cases 1 --out {}", TABLES),
    *bad("benchmark --out {}", TABLES),
    *bad("ladder --out {}", TABLES),
    *bad("export embedded --out {}", FILES),
    *bad("make-shipped --out {}", FILES),
    *bad("train-codec --codec spectral --source . --out {}", FILES),
    *bad("train-transcriber --out {}", FILES),
    *bad(
        "score @a.wav --reference @b.wav --json {}",
        [
            *FILES,
            ("@a.wav", "a.wav: is also"),
            ("@b.wav", "b.wav: is also"),
            ("@hard.wav", "hard.wav: is also"),
            ("@link.wav", "link.wav: is also"),
        ],
    ),
    *bad("demo --out {}", FOLDERS),
    *bad("train-metrics --json {}", [row for row in TABLES if row[0] not in ("t.txt", "t")]),
    # good
    *(
        Case(f"{SWAP} {FAST} --out {name}", writes=(name,), seconds=1.5)
        for name in ("y.ogg", "Y.WAV", "y.flac", "y.wav.flac", "'a b $x.wav'", "ünï.wav", "./y.wav")
        if "'" not in name and "/" not in name
    ),
    Case(f"{SWAP} {FAST} --out @text.wav", writes=("text.wav",), leaves=("text.wav",), seconds=1.5),
    Case(
        f"{SWAP} {FAST} --out @dangling.wav", writes=("dangling.wav",), leaves=("nowhere.wav",), seconds=1.5
    ),
    Case("export embedded --out m.safetensors", writes=("m.safetensors",)),
    Case("export embedded --out m", writes=("m",)),
]
