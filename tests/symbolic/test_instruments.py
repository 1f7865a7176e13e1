from msdae.symbolic import instruments
from msdae.symbolic.instruments import FAMILIES, HELD_OUT, INSTRUMENTS, SOURCES


def test_every_row_is_valid_and_no_program_occurs_twice():
    assert len({row.program for row in INSTRUMENTS}) == len(INSTRUMENTS)
    for row in INSTRUMENTS:
        assert row.family in FAMILIES
        assert row.source in SOURCES
        assert 21 <= row.low < row.high <= 108


def test_one_instrument_of_each_family_is_held_out():
    assert sorted(row.family for row in instruments.unseen()) == sorted(FAMILIES)
    assert {row.program for row in instruments.unseen()} == set(HELD_OUT)


def test_seen_and_unseen_share_nothing_and_each_family_is_seen():
    assert not set(instruments.seen()) & set(instruments.unseen())
    assert {row.family for row in instruments.seen()} == set(FAMILIES)


def test_programs_without_a_family():
    assert instruments.family(0) == "keyboard"
    assert instruments.family(127) is None
    assert instruments.family(None) is None


def test_one_pitch_in_eight_is_reserved_and_which_depends_on_the_program():
    programs = [row.program for row in INSTRUMENTS]
    pitches = {
        program: [pitch for pitch in range(24, 104) if instruments.reserved(program, pitch)]
        for program in programs
    }
    for reserved in pitches.values():
        assert len(reserved) == 10 and len({pitch // 8 for pitch in reserved}) == 10
    assert len({tuple(reserved) for reserved in pitches.values()}) == len(INSTRUMENTS)
    assert pitches[0] == [28, 33, 47, 48, 58, 67, 76, 85, 90, 102]
