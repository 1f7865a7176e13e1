"""train-stage and train-codec: settings, data, runs and what they start from."""

from harness import Case, bad
from library import content
from trees import as_folder, cut, gone, text, tree, values

from cases.prepare import BOMB

STAGE = "train-stage --stage 1 --data @cache --run run"
SETTINGS = {  # what every field refuses
    "learning_rate": "0 -1 nan inf x [] 1e30 null",
    "warmup": "-1 x 1.5 nan null",
    "decay": "-1 2 nan x",
    "betas": "[] [0.9] [1,1] [nan,0.9] x [0.9,0.9,0.9] [-1,0.9]",
    "weight_decay": "-1 nan inf x",
    "clip": "0 -1 nan inf x",
    "ema": "-1 1 2 nan x",
    "seed": "-1 1.5 x 9223372036854775808 null",
    "batch_size": "0 -1 x 1.5 100000000000 null",
    "accumulation": "0 -1 x 3 1000000000",
    "log_every": "0 -1 x nan",
    "validate_every": "0 -1 x",
    "validation_batches": "-1 x 1.5",
    "save_every": "0 -1 x",
    "audio_every": "0 -1 x",
    "mixed_precision": "fp7 7 '' null",
    "workers": "-1 x 1.5 1000000000",
    "trackers": "x 7 [7] [abacus]",
    "contrast": "-1 nan inf x",
    "pretrain": "-1 x 1.5",
    "pretrain_batch": "0 -1 x 100000000000",
    "steps": "[] [0] [-1] [x] 7 [1.5] x [100000000000000]",
    "compile": "7 x",
    "model.widths": "[] [0,0,0] [-1,2,2] [x] 7 [1000000000,1,1] [1.5]",
    "model.inject": "[] [9,9,9] [-1,0,0] x [x]",
    "model.pooled": "[9] x [0] [-1]",
    "model.encoder": "abacus 7 []",
    "model.hidden": "0 -1 x 1000000000",
    "model.code_channels": "[] [0,0,0] x [-1] [1000000000,1,1]",
    "model.dropout": "-1 2 nan x",
    "model.P_mean": "nan inf x",
    "model.P_std": "0 -1 nan x",
    "model.guidance": "[] [nan,1,1] x [1,1]",
    "model.heads": "-1 x 3 1.5",
    "model.around": "-1 9 x",
    "model.tokens": "-1 x 100000",
    "model.most_tokens": "0 -1 x",
    "model.dropped": "[1] [0.5,0.5,0.5] [-1,0,0] x",
    "model.noise": "-1 nan inf x",
    "model.mel.bands": "0 -1 x 1000000000 127",
    "model.codec.name": "abacus '' 7",
    "views.timbre": "abacus 7",
    "views.content": "abacus []",
    "views.scramble": "-1 2 nan x",
    "views.recolour": "-1 2 nan x",
    "views.loudness": "-1 2 nan x",
    "views.vibrato": "-1 2 nan x",
}
OVERRIDES = [
    ("x", "--set x"), ("''", "--set"), ("=", "--set|key"), ("=1", "--set|key"), ("x=", "x"), ("x=1", "'x'"), ("seed", "seed"),
    ("seed=[", "seed"), ("seed={", "seed"), ("'seed=*a'", "seed"), ("'seed=&a 1 x: y'", "seed"), ("'seed=!!int x'", "seed"),
    ("'seed=!!python/name:os.system'", "seed"), ("seed.x=1", "seed"), ("model=7", "model"), ("model.x=1", "model"),
    ("model.mel=x", "mel"), (".=1", "--set|key"), ("model..x=1", "model"), ("model.=1", "model"), ("lerning_rate=1", "learning_rate"),
    ("__class__=1", "__class__"), ("'seed=\t1\t2'", "seed"), (f"seed={'[' * 3000}", "seed"), (f"{'x' * 3000}=1", "xxx"),
    (f"{'.'.join('x' * 2000)}=1", "x"), ("seed=2020-13-45", "seed"), ("SEED=1", "SEED"), ("'se ed=1'", "se ed"), ("base=x.yaml", "base"),
    ("model.codec.name=/dev/null", "/dev/null"),
]  # fmt: skip

MANIFEST = "train/manifest.json"
CACHES = {
    "no-train": gone("train"), "no-valid": gone("valid"), "no-manifest": gone(MANIFEST), "no-latents": gone("train/latents.npy"),
    "no-mels": gone("train/mels.npy"), "no-clips": gone("train/clips.jsonl"), "manifest-folder": as_folder(MANIFEST),
    "latents-folder": as_folder("train/latents.npy"), "clips-folder": as_folder("train/clips.jsonl"),
    "latents-empty": text("train/latents.npy", b""), "latents-text": text("train/latents.npy", "x" * 100),
    "latents-cut": cut("train/latents.npy", 0.5), "latents-header": cut("train/latents.npy", 0.002), "mels-cut": cut("train/mels.npy", 0.9),
    "clips-empty": text("train/clips.jsonl", ""), "clips-cut": cut("train/clips.jsonl", 0.5), "clips-text": text("train/clips.jsonl", "x\n" * 8),
    "clips-numbers": text("train/clips.jsonl", "7\n" * 8), "clips-objects": text("train/clips.jsonl", "{}\n" * 8),
    "clips-binary": text("train/clips.jsonl", b"\xff\xfe" * 50), "valid-clips": text("valid/clips.jsonl", "[]\n" * 8),
    "manifest-empty": text(MANIFEST, ""), "manifest-list": text(MANIFEST, "[]"), "manifest-null": text(MANIFEST, "null"),
    "manifest-cut": cut(MANIFEST, 0.5), "manifest-binary": text(MANIFEST, b"\xff\xfe"), "manifest-deep": text(MANIFEST, "[" * 100000),
    "manifest-brace": text(MANIFEST, "{}"),
    **{f"no-{key}": values(MANIFEST, key) for key in ("format", "key", "dataset", "source", "clips", "codec", "mel", "latent")},
    **{f"{key}-{index}": values(MANIFEST, key, value=value) for key, odd in {
        "format": (None, "x", 99, []), "clips": (None, "x", 7, -1, 10**30), "codec": (None, 7, {}, "x"), "mel": (None, 7, {}, {"bands": "x"}),
        "latent": (None, {}, {"mean": 7, "std": 1}, {"mean": [0.0], "std": 1.0}, {"mean": ["x"] * 64, "std": 1.0}, {"mean": [0.0] * 64, "std": 0.0},
                   {"mean": [0.0] * 64, "std": "x"}),
        "source": (None, 7, []), "frames": (None, 0, "x", -1), "key": ([],), "dataset": (7,), "shards": (7, [], ["x.tar"], [{}]),
    }.items() for index, value in enumerate(odd)},
    **{f"codec-{key}-{index}": values(MANIFEST, "codec", key, value=value) for key, odd in {
        "fingerprint": (None, 7, "x"), "name": (None, 7), "hop": (0, "x", None), "sample_rate": (0, "x"), "channels": (0, "x"),
    }.items() for index, value in enumerate(odd)},
}  # fmt: skip
for _name, _change in CACHES.items():
    tree(f"cache-{_name}", "cache", _change)

RUNS = [
    ("@text.wav", "text.wav"), ("@text.wav/run", "text.wav"), ("/dev/null", "/dev/null"), ("/dev/null/run", "/dev/null"),
    ("/proc/run", "/proc"), ("@fifo", "fifo"), ("@loop.wav", "loop.wav"), ("n" * 300, "nnn"),
]  # fmt: skip
YAML = {
    "unknown": "lerning_rate: 1", "list": "- a", "scalar": "7", "text": "hello", "tab": "\tseed: 1", "brace": "{", "colon": "a: b: c",
    "type": "seed: x", "null": "seed: null", "nested": "model: 7", "deep": "a: " + "[" * 20000, "braces": "{a: " * 5000, "bomb": BOMB,
    "alias": "seed: &a 1\nwarmup: *a", "tag": "seed: !!python/name:os.system", "call": "!!python/object/apply:os.system ['true']",
    "binary": b"\xff\xfe\x00\x01" * 20, "nul": b"seed: 1\x00", "latin": "# caf\xe9".encode("latin-1"), "date": "seed: 2020-01-01",
    "bad-date": "seed: 2020-13-45", "float": "seed: 1.5", "bool": "seed: true", "hex": "seed: 0x", "two": "--- {}\n--- {}", "key": "? [a]\n: 1",
    "number-key": "7: 1", "null-key": "null: 1", "base-self": "base: self.yaml", "base-missing": "base: missing.yaml", "base-list": "base: [a]",
    "base-folder": "base: .", "base-absolute": "base: /dev/null", "base-number": "base: 7", "huge-int": "seed: 1" + "0" * 5000, "inf": "learning_rate: .inf",
    "nan": "learning_rate: .nan", "sexagesimal": "learning_rate: 1:2", "long-key": "x" * 5000 + ": 1", "duplicate-nested": "model: {mel: {x: 1}}",
    "widths": "model: {widths: 7}", "widths-text": "model: {widths: [a]}", "model-null": "model: null", "views": "views: {timbre: 7}", "set": "betas: !!set {a}",
}  # fmt: skip
for _name, _text in YAML.items():
    content(f"y-{_name}.yaml", _text)
content("y-huge.yaml", "# x\n" * (2 << 20))
content("y-base-cycle.yaml", "base: y-base-cycle.yaml")
GOOD = {
    "empty": "",
    "comment": "# nothing",
    "bom": b"\xef\xbb\xbfwarmup: 3",
    "crlf": "warmup: 3\r\n",
    "float": "learning_rate: 1e-3",
    "twice": "warmup: 1\nwarmup: 2",
}
for _name, _text in GOOD.items():
    content(f"ok-{_name}.yaml", _text)
FAST = "--set steps=[1,1,1] --set pretrain=0 --set batch_size=2 --set validation_batches=0 --set trackers=[] --set model.widths=[8,8,8]"
FAST += " --set model.hidden=8 --set views={timbre: same, content: same, scramble: 0, recolour: 0}".replace(
    "{", "'{"
).replace("}", "}'")
LEAVES = ("run/.lock", "run/*/.lock")

CODEC = "train-codec --source @recordings --out c.safetensors --run run --device cpu"
FIT = "train-codec --codec spectral --source @recordings --out c.safetensors"
CODEC_SETTINGS = {
    "steps": "[] [0] [1,1,1,1] x 7", "frames": "0 -1 x 1000000000", "crop": "0 x", "noise": "-1 nan x", "mixed": "-1 2 nan x", "hissed": "-1 2 nan",
    "adversarial": "-1 nan", "matching": "-1 inf", "opposed_rate": "0 nan -1", "batch_size": "0 -1 100000000000", "seed": "-1", "learning_rate": "nan 0", "surprise": "1",
}  # fmt: skip
SPECTRAL = {
    "sample_rate": "0 -1 x 1000000000000", "n_fft": "0 -1 x 100000000000", "hop": "0 -512 x", "bands": "0 -1 1000000000 x", "f_max": "0 -1 nan inf x",
    "gain": "0 nan -1", "block": "0 -1 x", "channels": "0 -1 1000000000", "whitening": "nan -1 x", "reach": "-1 x", "noise": "-1 nan",
}  # fmt: skip


def settings(line: str, table: dict[str, str], leaves: tuple[str, ...] = ()) -> list[Case]:
    """Each value of each field by --set; the error names the field."""
    rows = [(f"--set '{field}={value}'" if "'" not in value else f'--set "{field}={value}"', field.split(".")[-1])
            for field, odd in table.items() for value in odd.split()]  # fmt: skip
    return bad(f"{line} {{}}", rows, leaves)


CASES = [
    *settings(STAGE, SETTINGS, LEAVES),
    *bad(f"{STAGE} --set {{}}", OVERRIDES, LEAVES),
    *bad(f"train-stage --stage 1 --run run --data {{}} {FAST}", [
        ("missing", "missing"), ("@text.wav", "text.wav"), ("@folder", "folder"), ("/dev/null", "/dev/null"), ("''", "data|manifest|prepared"),
        ("@loop.wav", "loop.wav"), ("@cache/train", "train"), ("n" * 300, "nnn"), ("@cache @folder", "folder"), ("@recordings", "recordings"),
        *((f"@cache-{name}", f"cache-{name}") for name in CACHES),
    ], LEAVES),
    *bad(f"train-stage --stage 1 --data @cache {FAST} --run {{}}", RUNS),
    *bad(f"train-stage --data @cache --run run {FAST} --stage {{}}", [(v, "stage") for v in ("0", "4", "-1", "x", "''", "1.5", "1000000000")], LEAVES),
    *bad(f"{STAGE} {FAST} --from {{}}", [
        ("missing.safetensors", "missing"), ("@text.wav", "text.wav"), ("@codec.safetensors", "codec"), ("@folder", "folder"), ("''", "from|file|embedded"),
        ("owner/name", "owner/name"), ("@m-no-config.safetensors", "m-no-config"), ("@m-nan.safetensors", "m-nan|widths"), ("@m-cut-10.safetensors", "m-cut-10"),
        ("/dev/null", "/dev/null"), ("@fifo", "fifo"), ("embedded", "widths|stage"),
    ], LEAVES),
    *bad(f"{STAGE} {{}}", [("--model vae", "vae"), ("--set model.encoder=conv --set model.heads=4", "heads"), ("--model", "--model"), ("--surprise 1", "--surprise"), ("--set", "--set"), ("--data", "--data")]),
    *bad("train-stage {}", [("", "--stage"), ("--stage", "--stage")]),
    *bad(f"train-stage --stage 2 --model hdae --data @cache --run run --config @ok-empty.yaml {FAST} --set contrast=0 {{}}", [("", "stages from 1 to 1")], LEAVES),
    *bad(f"{STAGE} --config {{}}", [(f"@y-{name}.yaml", rf"y-{name}\.yaml|missing.yaml|self.yaml|/dev/null") for name in [*YAML, "huge", "base-cycle"]] + [
        ("missing.yaml", "missing.yaml"), ("@folder", "folder"), ("/dev/null/x", "/dev/null"), ("@fifo", "fifo"), ("@loop.wav", "loop.wav"), ("@image.wav", "image.wav"),
        ("/dev/zero", "/dev/zero"), ("n" * 300, "nnn"), ("@a.wav", "a.wav"),
    ], LEAVES),
    *settings(CODEC, CODEC_SETTINGS, LEAVES),
    *settings(FIT, SPECTRAL),
    *bad(f"{FIT} {{}}", [("--run run", "--run"), ("--cache run", "--cache"), ("--device cpu", "--device"), ("--latents x", "--latents")]),
    *bad("train-codec --out c.safetensors --run run --device cpu --set steps=[1] --source {}", [
        ("missing", "missing"), ("@a.wav", "a.wav"), ("@folder", "folder: no recording"), ("''", "source|no recording"), ("/dev/null", "/dev/null"),
    ], LEAVES),
    *bad(f"{CODEC} --set steps=[1] --latents {{}}", [
        ("missing", "missing"), ("@text.wav", "text.wav"), ("@codec.safetensors", "codec"), ("@tiny.safetensors", "tiny"), ("@folder", "folder"), ("''", "latents|file"),
    ], LEAVES),
    *bad(f"{CODEC} {{}}", [("--codec abacus", "abacus"), ("--device abacus", "abacus"), ("--surprise", "--surprise")], LEAVES),
    *bad("train-codec --source @recordings --out c.safetensors --device cpu --set steps=[1] --run {}", RUNS),
]  # fmt: skip
