"""Options of the commands that render: numbers, levels, sources, outputs."""

from harness import Case, bad

FAST = "--steps 1 --device cpu"
SWAP = "swap --timbre @a.wav --melody @b.wav --device cpu"
SERIES = f"interpolate --timbre @a.wav --melody @b.wav --out series {FAST}"
SERIES_OUT = ("series/1-strength-0.00.wav", "series/2-strength-1.00.wav")


def option(name: str, values: list[str], line: str = SWAP, leaves: tuple[str, ...] = ()) -> list[Case]:
    """The error names the option."""
    return bad(f"{line} --{name} {{}}", [(value, name) for value in values], leaves)


def good(line: str, seconds: float = 1.5, writes: tuple[str, ...] = ("swap.wav",)) -> Case:
    return Case(line, writes=writes, seconds=seconds)


WORDS = ["''", "x", "1,2", "nan", "inf", "1e3", "٣x", "0x10", "1_0_", "'1 2'", "[1]", "9" * 5000]
CASES = [
    *option("steps", ["0", "-1", "1.5", "1001", "1000000000", "1000000000000", *WORDS]),
    *option("seed", ["-1", "1.5", str(2**63), "1" + "0" * 30, *WORDS[:5]]),
    *option("strength", ["-0.1", "1.1", "2", "nan", "inf", "-inf", "1e30", "''", "x", "1,2"]),
    *option(
        "guidance", ["nan", "inf", "-inf", "1e30", "1e9", "''", "x", "1,,2", ",", "1,2", "1,2,3,4", "1,nan"]
    ),
    *option("sampler", ["euler2", "''", "DPMPP_2M", "__init__"]),
    *option(
        "device",
        ["abacus", "''", "cuda:99", "cuda:-1", "cpu:x", "meta", "xla"],
        "swap --timbre @a.wav --melody @b.wav --steps 1",
    ),
    *bad(
        f"{SWAP} --levels {{}}",
        [(v, "level") for v in ("0", "4", "-1", "''", "x", "1.5", ",", "1,4", "9" * 400)],
    ),
    *option(
        "count", ["0", "1", "-1", "''", "x", "1.5", "nan", "1000001", "10000000", "1000000000000"], SERIES
    ),
    *bad(f"{SERIES} --levels {{}}", [(v, "level") for v in ("0", "4", "''", "1,")]),
    # sources that are missing, twice or contradict each other
    Case("swap", "no source of timbre|--timbre"),
    Case("swap --timbre @a.wav", "melody"),
    Case("swap --melody @b.wav", "timbre"),
    Case("swap --timbre", "--timbre"),
    Case("swap --timbre @a.wav --melody @b.wav --out", "--out"),
    Case("swap --timbre @a.wav --timbre @a.wav --melody @b.wav", "--timbre is given twice"),
    Case("swap --timbre @a.wav --level1 @a.wav --melody @b.wav", "--level1"),
    Case("swap --timbre @a.wav --level3 @a.wav --melody @b.wav", "--level"),
    Case("swap --level1 @a.wav", "melody"),
    Case("swap --level2 @a.wav", "melody"),
    Case("swap --level4 @a.wav --melody @b.wav", "--level4"),
    Case("swap @a.wav @b.wav", "unrecognized|arguments|a.wav"),
    Case("swap --timbre @a.wav --melody @b.wav --tempo 3", "--tempo"),
    Case("swap --timb @a.wav --melody @b.wav", "--timb"),
    Case("reconstruct", "recording"),
    Case("reconstruct @a.wav @b.wav", "b.wav"),
    Case("interpolate --timbre @a.wav", "--melody"),
    Case("interpolate --melody @a.wav", "--timbre"),
    Case("swop --timbre @a.wav", "swop"),
    Case("''", "msdae|command"),
    Case("swap.py", "swap.py"),
    # good
    good(f"{SWAP} --steps 1"),
    good(f"{SWAP} --steps 1 --seed 0"),
    good(f"{SWAP} --steps ' 1 '"),
    good(f"{SWAP} --steps ١"),
    good(f"{SWAP} --steps 1 --seed {2**63 - 1}"),
    good(f"{SWAP} --steps 1 --strength 0"),
    good(f"{SWAP} --steps 1 --strength 0.5"),
    good(f"{SWAP} --steps 1 --strength 1e-9"),
    good(f"{SWAP} --steps 1 --guidance 0"),
    good(f"{SWAP} --steps 1 --guidance 1,1,1"),
    good(f"{SWAP} --steps 1 --guidance=-1"),
    good(f"{SWAP} --steps 1 --levels 1,1"),
    good(f"{SWAP} --steps 1 --levels 3,2,1"),
    good(f"{SWAP} --steps 1 --steps 2"),
    good("swap --level1 @a.wav --level2 @a.wav --level3 @b.wav --steps 1"),
    good("swap --level3 @b.wav --level1 @a.wav --steps 1 --strength 0.3"),
    good("swap --level2 @a.wav --melody @b.wav --steps 1"),
    good(f"{SWAP} --steps 1 --sampler heun"),
    good(f"{SERIES} --count 2", writes=SERIES_OUT),
    good(f"{SERIES} --count 2 --levels 1", writes=SERIES_OUT),
    Case("--help"),
    Case("--version"),
    Case("swap --help"),
    Case("swap --timbre nowhere.wav --help"),
]
