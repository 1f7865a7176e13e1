import pytest

from msdae.errors import UserError
from msdae.symbolic.captions import Traits, captions, request, require_request, traits
from msdae.symbolic.instruments import FAMILIES
from msdae.symbolic.phrases import CLAUSES, PHRASES

SCALE = (60, 62, 64, 65, 67, 69, 71, 72, 67, 60)


def notes(pitches, gap=0.5, held=0.9, velocity=80):
    return [[i * gap, (i + held) * gap, pitch, velocity] for i, pitch in enumerate(pitches)]


def words(*texts):
    """What the tokenizer of an English encoder does: one piece a common word, four of any other."""
    return lambda text: sum(1 if word in texts else 4 for word in text.split())


def test_traits_of_labels_and_notes():
    labels = {
        "instrument": "Acoustic Guitar (nylon)",
        "family": "guitar",
        "room": "dry",
        "notes": notes(SCALE),
    }
    assert traits(labels) == Traits(
        "nylon acoustic guitar", "guitar", "middle", "moderate", "slow", "major", "dry", "medium", "legato"
    )
    shift = {"notes": notes([pitch - 24 for pitch in SCALE], gap=0.2, held=0.3, velocity=110)}
    assert traits(shift) == Traits(None, None, "low", "dense", "fast", "major", None, "loud", "staccato")
    assert traits({"notes": notes([69, 71, 72, 74, 76, 77, 80, 81, 76, 69])}).mode == "minor"
    assert traits({"maqam": "rast", "tempo": 60}).mode == "rast"
    assert traits({"instrument": "procedural"}) == Traits()


def test_chords_have_no_articulation():
    chord = [[0, 1, pitch, 80] for pitch in (60, 64, 67)]
    assert traits({"notes": chord * 2}).articulation is None
    assert traits({"notes": chord}).tempo is None


def test_captions_are_seeded_varied_and_say_what_is_known():
    known = Traits("oud", "guitar", "low", "sparse", "slow", "hijaz", "dry", "soft", "legato")
    texts = captions(known, 30, "clip 7")
    assert texts == captions(known, 30, "clip 7") != captions(known, 30, "clip 8")
    assert len(set(texts)) == 30
    for text in texts:
        for trait, values in request(text).items():
            assert values == {getattr(known, trait)}, text
    said = [trait for text in texts for trait in request(text)]
    assert set(said) >= {"instrument", "register", "density", "tempo", "mode", "room", "dynamics"}
    assert not any("{" in text or " a a" in text or "None" in text for text in texts)


def test_captions_of_little_knowledge():
    assert all(request(text) == {"dynamics": {"loud"}} for text in captions(Traits(dynamics="loud"), 8, 0))
    assert len(captions(Traits(family="reed"), 50, 0)) == 50
    with pytest.raises(UserError, match="nothing is known"):
        captions(Traits(), 1, 0)


def test_phrases_are_unambiguous():
    """No phrase names two things, none is without a second one, and each family has some."""
    entries = [
        (phrase, trait, value)
        for trait, values in PHRASES.items()
        for value, synonyms in values.items()
        for phrase in synonyms
    ]
    assert len({phrase for phrase, _, _ in entries}) == len(entries)
    assert all(len(synonyms) > 2 for values in PHRASES.values() for synonyms in values.values())
    assert set(PHRASES["family"]) == set(FAMILIES)
    assert set(CLAUSES) < set(PHRASES)


def test_what_words_ask_for():
    assert request("Slow, low OUD in a dry room") == {
        "tempo": {"slow"},
        "register": {"low"},
        "instrument": {"oud"},
        "room": {"dry"},
    }
    assert request("a double bass is no bass: moderately loud") == {
        "family": {"bass"},
        "dynamics": {"medium"},
    }
    assert request("something else") == {}


def test_requests():
    pieces = words("violin", "calm", "ambient", "soundscape")
    require_request("violin", pieces)
    require_request("calm ambient soundscape", pieces)
    require_request("oud", words())  # a rare word that captions say
    require_request("violin and cello", pieces)
    with pytest.raises(UserError, match="no English words"):
        require_request("langsame tiefe Geige", pieces)
    with pytest.raises(UserError, match="the tempo cannot be fast and slow"):
        require_request("slow quick violin", pieces)
