import numpy as np
import pytest
import torch

from msdae import codecs
from msdae.evaluation.swapbench import cases, interpolation
from msdae.evaluation.swapbench.interpolation import Course
from msdae.evaluation.swapbench.systems import Model
from msdae.inference.pipeline import Pipeline, Sampling
from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.msdae import MSDAE

pytestmark = pytest.mark.usefixtures("few_references")


def test_spearman_of_courses():
    rising = Course("a", np.array([0.0, 0.1, 0.5]), np.ones(3))
    assert rising.spearman == 1 and Course("a", np.zeros(3), np.ones(3)).spearman == 0
    falling = Course("b", np.array([0.4, 0.3, 0.1]), np.array([0.5, 0.4, 0.6]))
    rows = dict(interpolation.table([rising, falling], "test").rows)
    assert rows["cases"].value == 2 and rows["melody F1, lowest on the way"].value == pytest.approx(0.7)
    assert str(rows["Spearman of strength and probability, mean"]) == "0.00 [-1.00, 1.00]"
    course = interpolation.course_table([rising, falling], "test")
    assert [row[1].value for row in course.rows] == [0, 0.5, 1]
    assert [row[2].value for row in course.rows] == pytest.approx([0.2, 0.2, 0.3])
    assert course.rows[1][3].value == pytest.approx(0.7) and course.rows[1][3].low == pytest.approx(0.4)


def test_courses_of_a_model_that_knows_nothing():
    codec = codecs.load(codecs.DEFAULT)
    config = ModelConfig(widths=(16, 16, 24), hidden=16, codec=CodecConfig(fingerprint=codec.fingerprint))
    torch.manual_seed(0)
    system = Model("model", Pipeline(MSDAE(config), codec, Sampling(steps=2)))
    drawn = cases.plan("valid", 0, {"monophonic": 2})
    found = interpolation.courses(system, drawn, points=3)
    assert [course.piece for course in found] == [case.melody.piece for case in drawn]
    assert all(course.probability.shape == course.melody_f1.shape == (3,) for course in found)
    assert all(((course.probability > 0) & (course.probability < 1)).all() for course in found)
