"""Evaluation, reports and scores: options, folders of results that are broken, recordings that do not fit."""

import evaluated
from harness import Case, bad
from library import MAKERS
from trees import as_folder, cut, gone, instead, text, tree, values, wave

SOUND = "audio/test-melodies-0"
BROKEN = {
    **{f"no-{stem}": gone(file) for stem, file in {
        "manifest": "manifest.json", "cases": "cases.jsonl", "scores": "scores.jsonl", "tables": "tables.json", "audio": "audio", "sound": f"{SOUND}/melody.wav",
    }.items()},
    **{f"folder-{stem}": as_folder(file) for stem, file in {"manifest": "manifest.json", "cases": "cases.jsonl", "scores": "scores.jsonl", "tables": "tables.json"}.items()},
    **{f"{stem}-{index}": text(f"{stem}.{'jsonl' if stem in ('cases', 'scores') else 'json'}", content)
       for stem in ("manifest", "cases", "scores", "tables") for index, content in enumerate(("", "{", "[]", "7", "null", "{}", b"\xff\xfe{}", "[" * 100000, "[7]"))},
    **{f"cut-{stem}": cut(f"{stem}.jsonl", 0.6) for stem in ("cases", "scores")},
    **{f"no-{key}": values("manifest.json", key) for key in ("date", "seed", "settings", "codec", "checkpoints")},
    **{f"{key}-{index}": values("manifest.json", key, value=value) for key in ("date", "seed", "settings", "codec", "checkpoints") for index, value in enumerate((None, [], {}, "x", 7))
       if key not in ("date", "seed")},
    "escape": lambda folder: text("cases.jsonl", (folder / "cases.jsonl").read_text().replace("test-melodies-0", "../../x"))(folder),
    "nan": lambda folder: text("scores.jsonl", (folder / "scores.jsonl").read_text().replace('"melody F1": 0', '"melody F1": NaN, "x": 0'))(folder),
    "score-text": lambda folder: text("scores.jsonl", (folder / "scores.jsonl").read_text().replace('"melody F1": 0', '"melody F1": "x", "x": 0'))(folder),
    **{f"sound-{name}": instead(f"{SOUND}/melody.wav", name) for name in ("empty.wav", "nan.wav", "cut.wav", "0-samples.wav")},
    "sound-loop": lambda folder: ((folder / SOUND / "melody.wav").unlink(), (folder / SOUND / "melody.wav").symlink_to("melody.wav")),
}  # fmt: skip
WHOLE = ("checkpoints-2",)  # no checkpoints: all rows are of other systems
for _name, _change in BROKEN.items():
    tree(f"results-{_name}", evaluated.NAME, _change)
tree("results-page-folder", evaluated.NAME, lambda folder: (folder / "report.html").mkdir())
MAKERS["pairs"] = lambda path: (wave(path / "timbre" / "a.wav", 1.0), wave(path / "melody" / "a.wav", 1.0))
for _name in ("empty.wav", "nan.wav", "cut.wav", "0-samples.wav", "text.wav"):
    tree(f"pairs-{_name[:-4]}", "pairs", instead("melody/a.wav", _name))
tree("pairs-alone", "pairs", gone("timbre/a.wav"))
MAKERS["outputs"] = lambda path: wave(path / "x.wav", 1.0)


def _scored(path):
    for index in range(4):
        wave(path / f"{index}.wav", 1.0, pitch=200.0 + 50 * index)


MAKERS["scored"] = _scored
tree("scored-hidden", "scored", text("._0.wav", b"\0\5\x16\7" + bytes(50)))
tree("scored-bad", "scored", instead("0.wav", "empty.wav"))
tree("scored-three", "scored", gone("0.wav"))
NUMBERS = ["-1", "1.5", "nan", "x", "''", "1000000000000"]
EVALUATE = "evaluate --cases 1 --split test --steps 1 --report-cases 0 --device cpu --out out"
FOLDERS = [
    ("@text.wav", "text.wav"),
    ("@text.wav/out", "text.wav"),
    ("/dev/null", "/dev/null"),
    ("/proc/out", "/proc"),
    ("@fifo", "fifo"),
    ("@loop.wav", "loop.wav"),
    ("n" * 300, "nnn"),
]
SCORE = "score @b.wav --reference @b.wav"

CASES = [
    *bad(f"{EVALUATE} --cases {{}}", [(value, "cases") for value in ["0", *NUMBERS]]),
    *bad(f"{EVALUATE} --steps {{}}", [(value, "steps") for value in ["0", *NUMBERS]]),
    *bad(f"{EVALUATE} --seed {{}}", [(value, "seed") for value in NUMBERS[:5]]),
    *bad(f"{EVALUATE} --report-cases {{}}", [(value, "report-cases|report_cases") for value in NUMBERS]),
    *bad(f"{EVALUATE} --guidance {{}}", [(value, "guidance") for value in ("nan", "inf", "x", "''", "1,2", "1e30")]),
    *bad(f"{EVALUATE} {{}}", [
        ("--split music", "music"), ("--embedding abacus", "abacus"), ("--learn sometimes", "learn"), ("--dynamics loud", "dynamics"), ("--device abacus", "abacus"), ("--surprise", "--surprise"), ("--split", "--split|--data"),
        ("--checkpoint a=embedded a=embedded", "a"), ("--checkpoint truth=embedded", "truth"), ("--checkpoint timbre=embedded", "timbre"), ("--checkpoint =embedded", "embedded"),
        ("--checkpoint a/b=embedded", "a/b"), ("--checkpoint missing.safetensors", "missing"), ("--checkpoint @text.wav", "text.wav"), ("--codec missing", "missing"), ("--codec spectral", "spectral"),
        ("--checkpoint x=@m-no-config.safetensors", "m-no-config"),
        ("--outputs missing", "missing"), ("--outputs x=missing", "missing"), ("--outputs x=@a.wav", "a.wav"), ("--outputs x=@outputs", "outputs"), ("--outputs codec=@outputs", "codec"),
        ("--outputs x=/dev/null", "/dev/null"), ("--outputs ''", "outputs|name"),
        ("--split --data missing", "missing"), ("--split --data @text.wav", "text.wav"), ("--split --data @folder", "folder"), ("--split --data @cache-latents-cut/train", "cache-latents-cut"),
        ("--split --data @cache-clips-numbers/train", "cache-clips-numbers"), ("--split --data @cache-no-latent/train", "cache-no-latent"), ("--split --data @cache/train", "wav|source"),
        ("--split --data @cache-codec-fingerprint-2/train", "cache-codec-fingerprint"), ("--split --data @recordings", "recordings"),
    ], ("out/*",)),
    *bad("evaluate --cases 1 --split test --steps 1 --device cpu --out {}", FOLDERS),
    *bad("evaluate --cases 1 --split test --sources {}", FOLDERS),
    *bad("evaluate --cases 1 --split test --steps 1 --report-cases 0 --device cpu --out @results{}", [
        (suffix, rf"results{suffix}|manifest") for suffix in ("", "-manifest-1", "-manifest-3", "-folder-manifest", "-no-cases", "-cases-1", "-checkpoints-0", "-checkpoints-4", "-manifest-7", "-no-codec")
    ]),
    *bad("evaluate --cases 1 --split real --steps 1 --report-cases 0 --device cpu --out out {}", [
        ("--samples missing", "missing"), ("--samples @text.wav", "text.wav"), ("--samples @folder", "folder"), ("--samples @outputs", "outputs"), ("--learn 0", "learn"),
        ("--learn nan", "learn"), ("--learn x", "learn"), ("--outputs 'nearest neighbours=@outputs'", "nearest neighbours"),
    ], ("out/*",)),
    *bad("evaluate --steps 1 --device cpu --out out --pairs {}", [
        ("missing", "missing"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("@outputs", "outputs"), ("/dev/null", "/dev/null"), ("''", "timbre"), ("n" * 300, "nnn"),
        *((f"@pairs-{name}", f"pairs-{name}") for name in ("empty", "nan", "cut", "0-samples", "text", "alone")),
        ("@pairs --outputs x=@outputs", "outputs"), ("@pairs --outputs x=missing", "missing"), ("@pairs --outputs codec=@outputs", "codec"), ("@pairs --learn -1", "learn"),
    ], ("out/*",)),
    # report
    *bad("report {}", [
        ("missing", "missing"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("/dev/null", "/dev/null"), ("''", "tables|missing"), ("@loop.wav", "loop.wav"), ("n" * 300, "nnn"),
        ("@results-page-folder", "report.html"), *((f"@results-{name}", f"results-{name}") for name in BROKEN if name not in WHOLE),
    ]),
    *bad("report @results {}", [
        ("--probes missing", "missing"), ("--probes @text.wav", "text.wav"), ("--probes @folder", "folder"), ("--umap missing", "missing"), ("--umap @folder", "folder"), ("--umap @text.wav", "text.wav"),
        ("--figure f.txt", "f.txt"), ("--figure @folder", "folder"), ("--figure /dev/null", "/dev/null"), ("--case c.png --number 0", "number|case"), ("--case c.png --number 2", "number|case"),
        ("--case c.png --number x", "number"), ("--case c.png --number -1", "number|case"), ("--case absent/c.png", "absent"), ("--case c.txt", "c.txt"), ("--surprise", "--surprise"),
        ("--figure @results/manifest.json", "manifest.json"),
    ], ("results/report.html",)),
    Case("report @results", writes=("results/report.html",)),
    Case("report @results --figure f.svg --case c.png", writes=("results/report.html", "f.svg", "c.png")),
    # score
    *bad("score {} --reference @b.wav", [
        ("missing.wav", "missing.wav"), ("@folder", "folder"), ("@scored", "scored"), ("''", "folder|file"), ("/dev/null", "/dev/null"), ("@fifo", "fifo"), ("@long.wav", "long.wav"), ("@loop.wav", "loop.wav"),
        ("@empty.wav", "empty.wav"), ("@text.wav", "text.wav"), ("@nan.wav", "nan.wav"), ("@cut.wav", "cut.wav"), ("n" * 300, "nnn"),
    ]),
    *bad("score @scored --reference {}", [
        ("missing", "missing"), ("@folder", "folder"), ("@a.wav", "a.wav"), ("@scored-three", "3 files were scored, 1 were not"), ("/dev/null", "/dev/null"), ("@results", "0 files were scored, 10 were not"),
    ]),
    *bad("score {}", [("", "path|--reference"), ("@a.wav", "--reference"), ("@a.wav --reference", "--reference"), ("@a.wav --reference @a.wav --embedding abacus", "abacus"), ("@a.wav @b.wav --reference @a.wav", "b.wav")]),
    *bad(f"{SCORE} --midi {{}}", [("", "b.mid")]),
    *bad("score @folder --reference @folder {}", [("", "folder")]),
    *(Case(f"score @{name}.wav --reference @{name}.wav --midi --json s.json", rf"{name}\.mid", leaves=()) for name in ("midi-text", "midi-empty", "midi-folder", "midi-tempo-0", "midi-division-0", "midi-cut")),
    Case(f"{SCORE} --json s.json", writes=("s.json",)),
    Case("score @b.wav --reference @b.flac"),
    Case("score @silence.wav --reference @silence.wav"),
    Case("score @1-sample.wav --reference @1-sample.wav --json s.json", None, leaves=("s.json",)),
    Case("score @scored-hidden --reference @scored --json s.json", writes=("s.json",)),
    Case("score @scored-bad --reference @scored --json s.json", "3 files were scored, 1 were not", leaves=("s.json",)),
    Case("report @results-checkpoints-2", writes=("results-checkpoints-2/report.html",)),
]  # fmt: skip
