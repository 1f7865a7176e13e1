import pytest

from msdae.data.labels import check_clip, is_plain_name

CLIP = {
    "name": "a",
    "path": "b/a.wav",
    "start": 0.0,
    "pitch": 60,
    "instrument": "x",
    "notes": [[0, 1.5, 60, 90]],
}


def test_labels_of_other_types_or_out_of_range_are_refused():
    check_clip(CLIP)
    for change in (
        {"name": 3},
        {"path": "../a.wav"},
        {"path": "/etc/passwd"},
        {"start": "0"},
        {"start": float("nan")},
        {"start": -1.0},
        {"pitch": 128},
        {"pitch": True},
        {"pitch": None},
        {"velocity": 64.0},
        {"instrument": ["x"]},
        {"notes": {}},
        {"notes": [[0, 1, 200, 90]]},
        {"notes": [[0, float("inf"), 60, 90]]},
        {"notes": [[1, 0, 60, 90]]},
        {"notes": [["0", 1, 60, 90]]},
        {"notes": [[0, 1]]},
        {"notes": [[0, 1, 60]]},
        {"notes": [[0, 1, 60, 90, 1]]},
    ):
        with pytest.raises(ValueError):
            check_clip({**CLIP, **change})
    for clip in ([], None, {}, {key: value for key, value in CLIP.items() if key != "instrument"}):
        with pytest.raises(ValueError):
            check_clip(clip)


def test_plain_names_lead_nowhere():
    assert is_plain_name("S00") and is_plain_name("guitar_acoustic_000-060-075")
    for name in ("", "..", "../x", "a/b", "a\\b", ".hidden", "a\0", "\ud800", "x" * 300, 7, None, ["a"]):
        assert not is_plain_name(name)
