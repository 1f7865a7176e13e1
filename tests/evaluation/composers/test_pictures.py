from msdae.evaluation.composers.pictures import plot_embeddings
from msdae.models.composers import COMPOSERS
from msdae.models.composers.base import new
from msdae.symbolic.notes import Score, ScoreNote


def test_composers_without_a_table_of_pitches_have_no_picture_of_it(tmp_path):
    chord = Score(tuple([ScoreNote(0.0, 4.0, pitch)] for pitch in (72, 67, 60, 48)))
    composer = new("vae", COMPOSERS["vae"].Config(), [chord], 0)
    plot_embeddings(tmp_path / "a.png", {"vae": composer})
    assert not (tmp_path / "a.png").exists()
