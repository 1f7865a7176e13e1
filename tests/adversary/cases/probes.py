"""Probes, maps, comparisons of codecs, interpolation, benchmark, ladder, demo, results, make-shipped."""

from harness import Case, bad
from library import content

PROBES = "run-probes --device cpu --out out"
UMAP = "plot-umap --device cpu --out out"
DATA = [
    ("missing", "missing"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("/dev/null", "/dev/null"), ("@loop.wav", "loop.wav"), ("n" * 300, "nnn"), ("@recordings", "recordings"),
    *((f"@cache-{name}", f"cache-{name}") for name in (
        "no-train", "no-manifest", "latents-cut", "mels-cut", "clips-text", "clips-numbers", "clips-objects", "manifest-list", "manifest-deep", "no-codec", "no-latent", "codec-fingerprint-2", "codec-hop-0", "shards-2",
    )),
]  # fmt: skip
CHECKPOINTS = [
    ("missing.safetensors", "missing"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("a=embedded a=embedded", "a"), ("''", "checkpoint|name"), ("@codec.safetensors", "codec"), ("@m-no-config.safetensors", "m-no-config"),
    ("a/b=embedded", "a/b"),
]  # fmt: skip
NUMBERS = ("-1", "0", "x", "''", "1.5", "nan", "1000000000000")
LEAVES = ("out/*",)
for _name, _text in {"unknown": "musik: []", "empty-data": "data: []", "twice": "data: [{name: a}, {name: a}]", "number": "data: 7", "objects": "data: [7]", "no-name": "data: [{}]",
                     "slash": "data: [{name: ../../x}]", "clips": "data: [{name: a, squares: {clips: 0}}]", "weights": "data: [{name: a, squares: {weights: [0]}}]",
                     "font": "data: [{name: a, squares: {soundfonts: [missing.sf2]}}]", "peak": "data: [{name: a, squares: {peak: [1, 0]}}]", "nothing": ""}.items():  # fmt: skip
    content(f"recipe-{_name}.yaml", _text)

CASES = [
    *bad(f"{PROBES} --data {{}}", [(name, f"{says}|no clips have labels") for name, says in DATA], LEAVES),
    *bad(f"{PROBES} --data @cache --checkpoint {{}}", CHECKPOINTS, LEAVES),
    *bad(f"{PROBES} --data @cache {{}}", [
        ("--tasks music", "music"), ("--tasks", "--tasks"), ("--model vae", "vae"), ("--model hdae", "hdae"), ("--seed -1", "seed"), ("--seed x", "seed"), ("--device abacus", "abacus"), ("--surprise", "--surprise"),
    ], LEAVES),
    *bad(f"{UMAP} --data {{}}", DATA, LEAVES),
    *bad(f"{UMAP} --data @cache --checkpoint {{}}", CHECKPOINTS[:4], LEAVES),
    *bad(f"{UMAP} --data @cache --clips {{}}", [(value, "clips") for value in ("-1", "0", "x", "''", "1.5", "nan")], LEAVES),
    *bad(f"{UMAP} --data @cache {{}}", [("--split music", "music"), ("--split ''", "manifest|prepared|split"), ("--seed -1", "seed"), ("--seed x", "seed"), ("--model vae", "vae"), ("--clips 3", "few|clips")], LEAVES),
    *bad("run-probes --data @cache --device cpu --out {}", [("@text.wav", "text.wav"), ("/dev/null", "/dev/null"), ("/proc/x", "/proc"), ("n" * 300, "nnn"), ("@fifo", "fifo")]),
    *bad("plot-umap --data @cache --device cpu --out {}", [("@text.wav", "text.wav"), ("/dev/null", "/dev/null"), ("/proc/x", "/proc"), ("n" * 300, "nnn"), ("@fifo", "fifo")]),
    *bad("compare-codecs --codec spectral --cases {}", [(value, "cases") for value in NUMBERS]),
    *bad("compare-codecs --cases 1 {}", [("--codec", "--codec"), ("--split music", "music"), ("--seed -1 --codec missing", "seed|missing"), ("--seed x", "seed"), ("--codec spectral spectral", "spectral"), ("--codec a/b=spectral", "a/b")]),
    *bad("measure-interpolation --cases {}", [(value, "cases") for value in NUMBERS]),
    *bad("measure-players --cases 1 {}", [("--split real", "real"), ("--split real-valid", "real-valid")]),
    *bad("measure-interpolation --cases 1 {}", [("--split music", "music"), ("--split real", "real"), ("--seed x", "seed"), ("--checkpoint missing.safetensors", "missing"), ("--checkpoint @text.wav", "text.wav"), ("--codec missing", "missing"), ("--device abacus", "abacus")]),
    *bad("benchmark {}", [("--surprise", "--surprise"), ("--rounds -1", "rounds"), ("--rounds 0", "rounds"), ("--rounds x", "rounds"), ("--rounds 1000000000000", "rounds")]),
    *bad("ladder --steps {}", [(value, "steps") for value in ("1", "0,0", "-1,1", "x", "''", "1,2,3,4", "1.5,2", "1,", "nan,1", "1000000000000,1")]),
    *bad("ladder --steps 1,1 --run run {}", [("--data missing", "missing"), ("--data @folder", "folder"), ("--codec missing", "missing"), ("--set x=1", "'x'"), ("--set x", "--set"), ("--set seed=-1", "seed"), ("--data @cache --run @text.wav", "text.wav")]),
    *bad("demo {}", [("--steps 0", "steps"), ("--checkpoint missing.safetensors", "missing"), ("--surprise", "--surprise"), ("--device abacus", "abacus"), ("--sampler x", "sampler|x")]),
    *bad("results {}", [("music", "music"), ("--surprise", "--surprise"), ("", "docs"), ("--only-write", "docs"), ("../x", "../x"), ("''", "measurement|docs")]),
    *bad("make-shipped --out m.safetensors --data data --run run {}", [
        ("--scale 0", "scale"), ("--scale -1", "scale"), ("--scale nan", "scale"), ("--scale inf", "scale"), ("--scale x", "scale"), ("--scale 1e30", "scale"), ("--workers 0", "workers"), ("--soundfont missing.sf2", "missing.sf2"),
        ("--soundfont @text.wav", "text.wav"), ("--config missing.yaml", "missing.yaml"), ("--config @text.wav", "text.wav"), ("--set x=1", "'x'"), ("--set data=7", "data"), ("--set training.seed=-1", "seed"),
        *((f"--config @recipe-{name}.yaml", f"recipe-{name}.yaml|data|missing.sf2") for name in ("unknown", "empty-data", "twice", "number", "objects", "no-name", "slash", "clips", "weights", "font", "peak", "nothing")),
    ], ("data/*", "run/*")),
    *bad("make-shipped {}", [("", "--out")]),
    *bad("prepare-data --dataset squares --out out --workers 1 --device cpu {}", [
        ("--clips 0", "clips"), ("--clips x", "clips"), ("--clips 1000000000000", "clips"), ("--seed x", "seed"), ("--seed 1.5", "seed"), ("--soundfont missing.sf2", "missing.sf2"), ("--soundfont @text.wav --clips 4", "text.wav"),
        ("--soundfont @folder --clips 4", "folder"), ("--soundfont /dev/null --clips 4", "/dev/null"), ("--soundfont ''", "soundfont"), ("--unseen-soundfont missing.sf2", "unseen|missing"), ("--config missing.yaml", "missing.yaml"),
        ("--config @y-bomb.yaml", "y-bomb.yaml"), ("--config @y-tag.yaml", "y-tag.yaml"), ("--set x=1", "'x'"), ("--set single_notes=2", "single_notes"), ("--set single_notes=nan", "single_notes"), ("--set peak=[1]", "peak"), ("--set peak=[nan,1]", "peak"),
        ("--set velocities=[0,200]", "velocities"), ("--set velocities=[1,128]", "velocities"), ("--set shared_range=0", "shared_range"), ("--set shared_range=1000", "shared_range"), ("--set least_notes=0", "least_notes"), ("--set shortest_note=nan", "shortest_note"),
        ("--set shortest_note=-1", "shortest_note"), ("--set weights=[1]", "weights"), ("--set sound.formulas=2", "formulas"), ("--set sound.formulas=nan", "formulas"), ("--set sound.x=1", "'x'"), ("--set sound=7", "sound"),
    ], ("out/*",)),
    *bad("prepare-data --dataset synth --out out --workers 1 --device cpu {}", [
        ("--clips 0", "clips"), ("--clips 1000000000", "clips"), ("--soundfont missing.sf2", "missing.sf2"), ("--set x=1", "'x'"), ("--soundfont @empty.wav --clips 4", "empty.wav"), ("--set weights=[-1]", "weights"),
    ], ("out/*",)),
    *(Case(f"{command} --help") for command in ("evaluate", "score", "report", "run-probes", "plot-umap", "train-stage", "prepare-data", "results")),
]  # fmt: skip
