"""Bach's chorales in four parts, in the usual split: 229 to train, 76 to validate, 77 to test.

The split is that of Boulanger-Lewandowski et al. 2012, who used another edition. Its validation and test
pieces were matched by content, in any key, to music21's corpus, which has 69 of the 76 and 71 of the 77 in
four parts. All other chorales of the corpus are training pieces.
"""

import functools

from msdae.symbolic import corpus
from msdae.symbolic.notes import Part, Score

VOICES = 4
VALIDATION = [
    "10.7",
    "103.6",
    "11.6",
    "111.6",
    "115.6",
    "121.6",
    "127.5",
    "133.6",
    "14.5",
    "151.5",
    "154.8",
    "166.6",
    "168.6",
    "169.7",
    "17.7",
    "177.5",
    "179.6",
    "188.6",
    "2.6",
    "226.2",
    "244.25",
    "244.46",
    "245.17",
    "25.6",
    "253",
    "258",
    "261",
    "264",
    "268",
    "269",
    "275",
    "280",
    "281",
    "287",
    "288",
    "302",
    "307",
    "310",
    "314",
    "315",
    "318",
    "319",
    "323",
    "324",
    "329",
    "341",
    "347",
    "351",
    "354",
    "355",
    "36.4-2",
    "362",
    "365",
    "367",
    "376",
    "383",
    "391",
    "400",
    "411",
    "414",
    "417",
    "420",
    "434",
    "435",
    "438",
    "72.6",
    "73.5",
    "77.6",
    "88.7",
]
TEST = [
    "102.7",
    "112.5",
    "114.7",
    "126.6",
    "145-a",
    "148.6",
    "153.9",
    "159.5",
    "16.6",
    "174.5",
    "184.5",
    "197.10",
    "197.5",
    "244.3",
    "245.14",
    "245.15",
    "245.37",
    "245.5",
    "248.46-5",
    "248.53-5",
    "256",
    "270",
    "276",
    "289",
    "290",
    "291",
    "292",
    "294",
    "298",
    "306",
    "311",
    "316",
    "317",
    "32.6",
    "326",
    "327",
    "331",
    "338",
    "339",
    "340",
    "350",
    "36.8-2",
    "361",
    "366",
    "37.6",
    "371",
    "393",
    "40.8",
    "404",
    "405",
    "410",
    "419",
    "429",
    "43.11",
    "430",
    "431",
    "45.7",
    "56.5",
    "57.8",
    "60.5",
    "64.4",
    "65.7",
    "69.6-a",
    "7.7",
    "78.7",
    "85.6",
    "87.7",
    "9.7",
    "90.5",
    "93.7",
    "99.6",
]


@functools.lru_cache(maxsize=1)
def chorales() -> dict[str, dict[str, Score]]:
    """{split: {piece: score}} for the splits "train", "valid" and "test"; the first call reads the corpus.

    Raises:
        UserError: music21 is not installed.
    """
    splits: dict[str, dict[str, Score]] = {"train": {}, "valid": {}, "test": {}}
    for piece in corpus.collection("bach", "bwv*.mxl"):
        parts = corpus.parts(piece)
        if len(parts) == VOICES and all(map(is_line, parts)):
            splits[split_of(piece)][piece] = Score(tuple(parts))
    return splits


def split_of(piece: str) -> str:
    """The split of a chorale; `piece` is its path inside the corpus, such as "bach/bwv1.6.mxl"."""
    number = piece.rpartition("/")[2].removeprefix("bwv").removesuffix(".mxl")
    return "test" if number in TEST else "valid" if number in VALIDATION else "train"


def is_line(part: Part) -> bool:
    """Whether the part is monophonic: at most one note in twenty overlaps the next one."""
    together = sum(
        after.onset < before.onset + before.duration - 1e-6
        for before, after in zip(part[:-1], part[1:], strict=True)
    )
    return 20 * together <= len(part)
