"""Recordings as sources: every kind of broken one in every role, and odd ones that have to work."""

from harness import Case, bad

FAST = "--steps 1 --device cpu"
BROKEN = [
    ("empty.wav", "empty.wav: .*not a readable"),
    ("text.wav", "text.wav: .*not a readable"),
    ("image.wav", "image.wav: .*not a readable"),
    ("zeros.wav", "zeros.wav: .*not a readable"),
    ("json.wav", "json.wav: .*not a readable"),
    ("raw.raw", "raw.raw: .*not a readable"),
    ("riff-only.wav", "riff-only.wav: "),
    ("id3-only.mp3", "id3-only.mp3: "),
    ("ogg-magic.ogg", "ogg-magic.ogg: "),
    ("flac-magic.flac", "flac-magic.flac: "),
    ("m4a.m4a", "m4a.m4a: "),
    ("webm.webm", "webm.webm: "),
    ("cut.wav", "cut.wav: .*cut short"),
    ("cut.flac", "cut.flac: "),
    ("cut.ogg", "cut.ogg: .*cut short"),
    ("cut.aiff", "cut.aiff: .*cut short"),
    *((f"header.{form}", f"header.{form}: ") for form in ("wav", "flac", "ogg", "mp3", "aiff")),
    *((f"3-bytes.{form}", f"3-bytes.{form}: ") for form in ("wav", "flac", "ogg", "mp3", "aiff")),
    *((f"headless.{form}", f"headless.{form}: ") for form in ("wav", "flac", "aiff")),
    ("nan.wav", "nan.wav: .*NaN"),
    ("inf.wav", "inf.wav: .*infinite"),
    ("nan-at-end.wav", "nan-at-end.wav: .*NaN"),
    ("0-samples.wav", "0-samples.wav: .*no samples"),
    ("0-samples.flac", "0-samples.flac: "),
    ("0-channels.wav", "0-channels.wav: "),
    ("65535-channels.wav", "65535-channels.wav: "),
    ("0-hertz.wav", "0-hertz.wav: "),
    ("4g-hertz.wav", "4g-hertz.wav: "),
    ("7-hertz.wav", "7-hertz.wav: "),
    ("0-bits.wav", "0-bits.wav: "),
    ("codec-9999.wav", "codec-9999.wav: "),
    ("4g-format.wav", "4g-format.wav: "),
    ("folder.wav", "folder.wav: "),
    ("fifo.wav", "fifo.wav: is not a file"),
    ("socket.wav", "socket.wav: is not a file"),
    ("loop.wav", "loop.wav: "),
    ("dangling.wav", "dangling.wav: no such file"),
]
PATHS = [
    ("missing.wav", "missing.wav: no such file"),
    ("/dev/null", "/dev/null: is not a file"),
    ("/dev/zero", "/dev/zero: is not a file"),
    ("/nowhere/a.wav", "/nowhere/a.wav: no such file"),
    ("@a.wav/b.wav", "a.wav/b.wav: "),
    (f"{'n' * 300}.wav", "nnn.wav: .*name"),
    ("''", "file"),
    (".", "is not a file"),
    ("http://example.org/a.wav", "a.wav: no such file"),
    ("-", "-: no such file|expected one argument"),
]
ROLES = {
    "swap --melody": f"swap --timbre @b.wav --melody {{}} --out y.wav {FAST}",
    "swap --timbre": f"swap --timbre {{}} --melody @b.wav --out y.wav {FAST}",
    "reconstruct": f"reconstruct {{}} --out y.wav {FAST}",
}
# Some of each kind in the roles that read a file in the same way.
FEW = [row for row in BROKEN if row[0] in ("empty.wav", "cut.flac", "nan.wav", "fifo.wav", "0-samples.wav")]
FEW_ROLES = {
    "level1": f"swap --level1 {{}} --level3 @b.wav --out y.wav {FAST}",
    "level3": f"swap --level1 @b.wav --level3 {{}} --out y.wav {FAST}",
    "interpolate --timbre": f"interpolate --timbre {{}} --melody @b.wav --count 2 --out series {FAST}",
    "interpolate --melody": f"interpolate --timbre @b.wav --melody {{}} --count 2 --out series {FAST}",
    "score": "score {} --reference @b.wav",
    "score --reference": "score @b.wav --reference {}",
}


def at(rows):
    """The names of library files as arguments."""
    return [(f"@{name}", says) for name, says in rows]


ODD = [  # file and its length in seconds
    *((name, 1.0) for name in ("a.ogg", "a.aiff", "a.au", "8k.wav", "1k.wav", "192k.wav")),
    *(
        (name, 1.0)
        for name in ("8-channels.wav", "loud.wav", "double.wav", "u8.wav", "24-bit.wav", "32-bit.wav")
    ),
    *(
        (name, 1.0)
        for name in (
            "alaw.wav",
            "ulaw.wav",
            "rf64.wav",
            "w64.wav",
            "full-scale.wav",
            "click.wav",
            "4g-data.wav",
        )
    ),
    *((name, 1.0) for name in ("wav-named.xyz", "wav-named.mp3", "no-suffix", "garbage-after.wav", "A.WAV")),
    *(
        (name, 1.0)
        for name in ("newline.wav", "dollar.wav", "percent.wav", "hidden.wav", "space.wav", "latin1.wav")
    ),
    *(
        (name, 1.0)
        for name in ("unicode.wav", "long-name.wav", "equals.wav", "bracket.wav", "quote.wav", "dash.wav")
    ),
    *((name, 1.0) for name in ("link.wav", "hard.wav")),
    ("dc.wav", 0.0),  # an offset is silence
    ("odd-rate.wav", 1.0),
    ("adpcm.wav", 0.0),
    ("a.mp3", 0.0),
    ("mp3-named.wav", 0.0),
    ("100-samples.wav", 0.0),
    ("1-sample.wav", 0.0),
    ("2-samples.wav", 0.0),
    ("silence.wav", 0.0),
    ("quiet.wav", 0.0),
]

CASES = [
    *(case for line in ROLES.values() for case in bad(line, at(BROKEN) + PATHS)),
    *bad(
        "analyse-maqam {} --plot y.png",
        [
            *at(row for row in FEW if row[0] != "nan.wav"),  # a second of sound, which is too short
            *PATHS[:2],
            ("@newline.wav", "give 3 s to an hour"),
            ("@silence.wav", "give 3 s to an hour"),
            ("@b.wav --alpha 0", "alpha"),
        ],
    ),
    *(case for line in FEW_ROLES.values() for case in bad(line, at(FEW) + PATHS[:2])),
    *(
        Case(
            f"swap --timbre @b.wav --melody '@{name}' --out y.wav {FAST}", writes=("y.wav",), seconds=seconds
        )
        for name, seconds in ODD
    ),
    *(
        Case(f"swap --timbre '@{name}' --melody @b.wav --out y.wav {FAST}", writes=("y.wav",), seconds=1.5)
        for name, _ in ODD
        if name != "silence.wav"
    ),
    Case(
        f"swap --timbre @silence.wav --melody @b.wav --out y.wav {FAST}", "silence.wav: nothing can be heard"
    ),
    Case(f"reconstruct @long.wav --out y.flac {FAST}", writes=("y.flac",), seconds=7.0),
    Case(f"swap --timbre @a.wav --melody @a.wav --out y.wav {FAST}", writes=("y.wav",), seconds=1.0),
    Case(
        f"swap --timbre '@dollar.wav' --melody '@percent.wav' --plot p.png {FAST}",
        writes=("swap.wav", "p.png"),
        seconds=1.0,
    ),
    Case(
        f"swap --timbre '@newline.wav' --melody '@latin1.wav' --plot p.svg {FAST}",
        writes=("swap.wav", "p.svg"),
        seconds=1.0,
    ),
]
