import math
from pathlib import Path

import numpy as np
import pytest

from msdae.errors import UserError
from msdae.inference.settings import Mix, Sampling, identity, strengths


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("steps", 1001),
        ("steps", 10**9),
        ("guidance", (1e30,)),
        ("guidance", (math.nan,)),
        ("guidance", (1.0, math.inf, 1.0)),
        ("seed", -1),
        ("seed", 2**63),
    ],
)
def test_sampling_out_of_range_is_named(name, value):
    with pytest.raises(UserError, match=f"^{name}: is .*, expected"):
        Sampling(**{name: value})


def test_guidance_may_be_one_number():
    assert Sampling(guidance=2).guidance == Sampling(guidance=np.float32(2)).guidance == (2,)


@pytest.mark.parametrize("guidance", [np.ones(3), "strong", {1: 2.0}])
def test_guidance_of_another_type_is_refused_in_plain_words(guidance):
    with pytest.raises(
        UserError, match=r"^guidance: is .*, expected a number, or one a level, as \(2, 1, 2\)"
    ):
        Sampling(guidance=guidance)


@pytest.mark.parametrize("levels", [["a.wav"], {"1": "a.wav"}])
def test_levels_are_of_whole_numbers(levels):
    with pytest.raises(TypeError, match="levels are {level: source}"):
        Mix("b.wav", levels)


@pytest.mark.parametrize("strength", [-0.1, 1.1, math.nan])
def test_strengths_out_of_range_are_named(strength):
    with pytest.raises(UserError, match="^strength: is .*, expected 0 to 1"):
        Mix(None, strength=strength)


def test_a_series_has_two_ends_and_no_more_steps_than_can_be_told_apart():
    assert strengths(3) == [0, 0.5, 1]
    for count in (-1, 1, 10**7):
        with pytest.raises(UserError, match="^count: is .*, expected 2 to 1 000"):
            strengths(count)


def test_one_file_is_one_source_however_it_is_given():
    mix = Mix(Path("a.wav"), {1: "b.wav", 3: "a.wav", 4: "./a.wav", 5: Path("a.wav").absolute()})
    assert all(map(mix.keeps, (2, 3, 4, 5))) and not mix.keeps(1)


def test_a_link_to_a_file_is_no_other_source(tmp_path):
    """Regression: a level whose source is a link to the melody source did not keep its codes."""
    (tmp_path / "a.wav").touch()
    (tmp_path / "link.wav").symlink_to(tmp_path / "a.wav")
    assert identity(tmp_path / "link.wav") == identity(str(tmp_path / "a.wav"))
    assert Mix(tmp_path / "a.wav", {2: tmp_path / "link.wav"}).keeps(2)
