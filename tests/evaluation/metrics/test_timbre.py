from itertools import permutations

import pytest
import torch

from msdae import checkpoint
from msdae.audio import equaliser
from msdae.errors import UserError
from msdae.evaluation.metrics import timbre
from msdae.synthesis import soundfont

SCALES = {0: (60, 64, 67), 40: (60, 64, 67), 56: (60, 64, 67), 73: (72, 76, 79)}


def clip(program, pitches, velocity=100):
    notes = [(0.7 * i, 0.7 * i + 0.6, pitch, velocity) for i, pitch in enumerate(pitches)]
    return soundfont.render(notes, soundfont.default(), program, 3 * 44100)


@pytest.fixture(scope="module")
def embeddings():
    """Of piano, violin, trumpet and flute, twice: (2, 4, DIM); the second plays other notes, softer."""
    first = torch.stack([clip(program, pitches) for program, pitches in SCALES.items()])
    second = torch.stack(
        [clip(program, [p + 7 for p in pitches[::-1]], 70) for program, pitches in SCALES.items()]
    )
    return torch.stack([timbre.load().embed(clips, 44100) for clips in (first, second)])


def test_an_instrument_is_nearest_to_itself_playing_something_else(embeddings):
    similarity = embeddings[0] @ embeddings[1].T
    assert similarity.argmax(dim=1).tolist() == [0, 1, 2, 3]
    assert similarity.diag().min() > 0.5
    assert (similarity.sum() - similarity.trace()) / 12 < 0.3


def test_equalised_clips_are_seldom_taken_for_what_they_wear(embeddings):
    clips = [clip(program, pitches) for program, pitches in SCALES.items()]
    pairs = list(permutations(range(len(clips)), 2))
    made = torch.stack([equaliser.swap(clips[worn], clips[own]) for own, worn in pairs])
    answers = (timbre.load().embed(made, 44100) @ embeddings[1].T).argmax(dim=1).tolist()
    deceived = [worn == answer for (_, worn), answer in zip(pairs, answers, strict=True)]
    assert sum(deceived) <= 2  # of 12; trained without such clips, it was 4


def test_embeddings_have_length_one_and_repeat_at_any_level(embeddings):
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(2, 4))
    again = timbre.load().embed(0.1 * clip(0, SCALES[0])[None], 44100)
    torch.testing.assert_close(again[0], embeddings[0, 0], atol=1e-3, rtol=0)


def test_silence_and_short_clips_have_an_embedding():
    for samples in (441, 5000):
        assert torch.isfinite(timbre.load().embed(torch.zeros(1, samples), 44100)).all()


def test_a_saved_network_is_the_same(tmp_path):
    network = timbre.load()
    timbre.save(network, tmp_path / "a.safetensors", {"soundfonts": []})
    again = timbre.load(tmp_path / "a.safetensors")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_other_files_are_refused(tmp_path):
    checkpoint.save(tmp_path / "a.safetensors", "model", {"x": torch.zeros(1)}, {})
    checkpoint.save(tmp_path / "b.safetensors", timbre.KIND, {"x": torch.zeros(1)}, {})
    for name, message in (("a", "holds a model"), ("b", "train it again"), ("c", "no such file")):
        with pytest.raises(UserError, match=rf"{name}\.safetensors.*{message}"):
            timbre.load(tmp_path / f"{name}.safetensors")
