"""Dropouts of a rendering: found where a held note falls silent at once, and filled with the note."""

import pytest
import torch

from msdae.inference import dropouts

CHANNELS = 8
SILENT_Z, SILENT_CONTENT = torch.full((CHANNELS, 1), 0.5), torch.zeros(CHANNELS, 1)


def places(levels, content=None):
    """Of a rendering whose latents are as loud as `levels`, one for each frame."""
    sound = torch.randn(CHANNELS, len(levels), generator=torch.Generator().manual_seed(0))
    z = SILENT_Z + torch.tensor(levels) * sound / sound.square().mean(dim=0).sqrt()
    content = torch.ones(CHANNELS, len(levels)) if content is None else content
    return dropouts.places(z, content, SILENT_Z, SILENT_CONTENT).tolist()


@pytest.mark.parametrize("before", [8, 15, 30])
@pytest.mark.parametrize("scale", [1.0, 20.0])
def test_a_dropout_is_filled_with_frames_of_its_note(before, scale):
    levels = [1.0] * before + [0.5] + [0.1] * 14 + [0.5] + [1.0] * 4
    found = places(levels, scale * torch.ones(CHANNELS, len(levels)))
    note = list(range(before - 8, before))
    assert found == [*range(before), *reversed(note), *note, *range(before + 16, before + 20)]


def test_a_long_note_may_fall_slowly():
    levels = [1.0] * 12 + [0.75, 0.7, 0.65, 0.6] + [0.5] * 20
    assert max(places(levels)[12:]) < 12 and places(levels[3:]) == list(range(33))


def test_of_a_note_with_vibrato_the_frame_that_is_the_most_alike_is_taken():
    content = torch.ones(CHANNELS, 30)
    content[0] += 0.3 * torch.sin(2 * torch.pi * torch.arange(30) / 4)
    found = places([1.0] * 16 + [0.1] * 14, content)
    assert max(found[16:]) < 16 and len(set(found[16:])) > 4
    torch.testing.assert_close(content[:, found], content)


def test_a_dropout_lasts_to_the_end_of_its_note_at_most():
    content = torch.ones(CHANNELS, 40)
    content[:, 30:] = 0  # a rest
    found = places([1.0] * 20 + [0.1] * 20, content)
    assert max(found[20:30]) < 20 and found[30:] == list(range(30, 40))
    content[:, 30:] = -1  # another note
    assert places([1.0] * 20 + [0.1] * 20, content)[30:] == list(range(30, 40))


@pytest.mark.parametrize(
    "levels",
    [
        [1.0] * 30,
        [1.0] * 4 + [0.1] * 20,  # a sound that is short by itself
        [0.9**n for n in range(40)],  # a string that was plucked
        [1.0] * 10 + [0.7, 0.65, 0.6, 0.5] + [0.3] * 20,
        [1.0] * 20 + [1 - 0.03 * n for n in range(23)] + [0.3] * 10,
        [1.0] * 10 + [0.05] * 12 + [0.01] * 10,  # what is left of a sound is no note
        [0.1] * 30,
        [1.0] * 5,
        [1.0],
    ],
)
def test_other_renderings_stay(levels):
    content = torch.ones(CHANNELS, len(levels))
    if levels[-1] < 0.05:
        content[:, 10:] = 2  # another note, which the sound does not have
    assert places(levels, content) == list(range(len(levels)))


def test_rests_stay():
    content = torch.ones(CHANNELS, 40)
    content[:, 20:30] = 0
    levels = [1.0] * 20 + [0.1] * 10 + [1.0] * 10
    assert places(levels, content) == list(range(40))
    content[:, 12:30] = 0  # as where the sound rings on
    assert places(levels, content) == list(range(40))


def test_each_dropout_is_filled_from_before_it():
    found = places([1.0] * 12 + [0.1] * 5 + [1.0] * 12 + [0.2] * 5 + [1.0] * 3)
    assert all(4 <= place < 12 for place in found[12:17]) and all(21 <= p < 29 for p in found[29:34])


def test_a_dropout_of_any_length_is_filled_for_a_while():
    found = places([1.0] * 12 + [0.1] * 300)
    assert max(found[12 : 12 + dropouts.LONGEST - 1]) < 12 and found[200:] == list(range(200, 312))
