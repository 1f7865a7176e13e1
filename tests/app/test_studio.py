import math

import pytest
import torch

from msdae import audio
from msdae.app.clips import Clip
from msdae.app.jobs import MOST_OF_ONE, Job, Queue
from msdae.app.library import Library
from msdae.app.studio import Quality, Studio
from msdae.app.visits import Visit
from msdae.audio.windows import Waveform
from msdae.errors import UserError
from msdae.training.log import LOG
from msdae.training.sound import learn
from tests.training.test_sound import CODEC, SETTINGS, small


class Quick:
    """A pipeline of another rate than the page's, which renders a second of a tone."""

    sample_rate = 48000

    def render(self, mix, advance):
        return torch.sin(2 * math.pi * 440 * torch.arange(48000) / 48000)


def test_renderings_of_another_rate_are_kept_at_that_of_clips(tmp_path):
    studio = Studio(Quick, Library(tmp_path), tmp_path, Queue())
    studio.pipeline = Quick()
    waveform = studio._rendered(None, lambda share: None)
    assert len(waveform) == audio.SAMPLE_RATE
    assert int(torch.fft.rfft(waveform).abs().argmax()) == pytest.approx(440, abs=1)


def test_jobs_are_the_visits_before_they_wait_and_know_their_clips(tmp_path):
    visit, queue = Visit(tmp_path), Queue()
    studio = Studio(Quick, Library(tmp_path), tmp_path, queue)
    sound, melody = (visit.keep(Clip(name, tmp_path / name, 1.0, "")) for name in ("a.wav", "b.wav"))
    asked = {"levels": {"1": {"clip": sound.id}}, "melody": melody.id, "strength": 1, "seed": 0}
    assert studio.swap(visit, asked).clips == [melody, sound]
    for _ in range(MOST_OF_ONE - 1):
        assert studio.learn(visit, {"clip": sound.id}, "a").clips == [sound]
    known, put = dict(visit.jobs), queue.put
    queue.put = lambda job: put(visit.jobs[job.id])
    with pytest.raises(UserError, match="wait already"):
        studio.compose(visit, {"bars": 8, "seed": 0})
    assert visit.jobs == known and len(known) == MOST_OF_ONE


@pytest.mark.parametrize(("seconds", "losses"), [(1.0, 5), (13.0, 2)], ids=["short", "with an end held out"])
def test_how_well_a_sound_is_learnt_is_shown_meanwhile(tmp_path, melody, seconds, losses):
    """Regression: nothing was, as excerpts were counted as steps, and of a short one nothing was known."""
    job = Job("learn", "", dict)
    progress = job.progress(Quality(job, tmp_path / LOG), rest=(0.0, 1.0))
    learn(small(), CODEC, [Waveform(melody(seconds)[0])], SETTINGS, tmp_path, progress)
    assert len(job.facts["losses"]) == losses
