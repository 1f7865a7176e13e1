"""Shares the notes of a score out over voices, so that few notes of one voice sound at once."""

from collections.abc import Sequence

from msdae.symbolic.notes import Note

LEGATO = 0.03  # seconds by which notes of one voice may overlap


def separate(notes: Sequence[Note], most: int) -> list[list[Note]]:
    """Notes shared out over at most `most` voices: each voice's notes in their order, at least one of them.

    A note goes to the voice without a sounding note whose last pitch is nearest. If all voices sound, it
    begins another voice, or goes to the nearest of `most`.
    """
    voices: list[list[Note]] = []
    for note in sorted(notes):
        free = [voice for voice in voices if voice[-1].offset <= note.onset + LEGATO]
        if not free and len(voices) < most:
            voices.append([note])
            continue
        min(free or voices, key=lambda voice: abs(voice[-1].pitch - note.pitch)).append(note)
    return voices
