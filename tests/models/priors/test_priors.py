"""Priors: what is given is kept, what is missing is drawn, and closed forms where there are any."""

import math

import pytest
import torch

from msdae.data.draws import Draws
from msdae.errors import UserError
from msdae.models.priors import PRIORS, PriorSampling
from msdae.models.priors.base import Condition, facts_of, find, kept_frames, load, new
from msdae.models.priors.grid import Grid, Level
from msdae.models.priors.timbres import WIDTH, Timbres

GRID = Grid((Level(3, 0), Level(4, 4), Level(2, 1)))
IMAGE = Grid((Level(8, 1),))  # of log-mels
SIZES = {
    "gaussian": {"window": 16, "components": 6},
    "unet": {"window": 16, "widths": (8, 8, 8)},
    "dit": {"window": 16, "width": 16, "layers": 1, "heads": 2, "text": 5},
}
QUICK = PriorSampling(prior_steps=3)
KINDS = tuple(SIZES)


def prior(kind, **sizes):
    made = new(kind, PRIORS[kind].Config(**{**SIZES[kind], **sizes}), GRID, "a model", 0)
    for name, parameter in made.named_parameters():  # an untrained network ends in zeros
        parameter.data += 0.05 * torch.randn(parameter.shape, generator=seeded(len(name)))
    made.fit(codes(64, 16))
    return made


def codes(batch, frames, seed=0):
    generator = seeded(seed)
    shapes = enumerate(GRID.shapes(frames), 1)
    return {number: number + torch.randn(batch, *shape, generator=generator) for number, shape in shapes}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", KINDS)
def test_pieces_of_any_length(kind):
    made = prior(kind)
    for frames in (1, 16, 50):
        drawn = made.sample(frames, Condition(), seeded(1), sampling=QUICK, count=2)
        whole = frames + -frames % 4
        assert {level: tuple(code.shape) for level, code in drawn.items()} == {
            1: (2, 3, 1),
            2: (2, 4, whole // 4),
            3: (2, 2, whole),
        }
        assert all(code.isfinite().all() for code in drawn.values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_piece(kind):
    made = prior(kind)
    first, again, other = (made.sample(24, Condition(), seeded(n), sampling=QUICK) for n in (1, 1, 2))
    assert all(torch.equal(first[level], again[level]) for level in first)
    assert all(not torch.allclose(first[level], other[level]) for level in first)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [(1,), (2, 3), (3,)])
def test_what_is_given_is_kept(kind, levels):
    made, known = prior(kind), codes(1, 40)
    given = {level: known[level] for level in levels}
    drawn = made.sample(40, Condition(given), seeded(1), sampling=QUICK, count=2)
    assert all(torch.equal(drawn[level][1], known[level][0]) for level in levels)
    others = made.sample(40, Condition(given), seeded(2), sampling=QUICK)
    assert all(not torch.allclose(drawn[k][:1], others[k]) for k in drawn if k not in levels)


def test_what_is_given_matters():
    """Each given thing changes what is drawn of the rest."""
    made, one, two = prior("dit"), codes(1, 16), codes(1, 16, seed=9)
    plain = made.sample(16, Condition({1: one[1]}), seeded(1), sampling=QUICK)
    other = made.sample(16, Condition({1: two[1]}), seeded(1), sampling=QUICK)
    assert not torch.allclose(plain[3], other[3])
    said = made.sample(16, Condition({1: one[1]}, torch.ones(1, 5)), seeded(1), sampling=QUICK)
    assert not torch.allclose(plain[3], said[3])
    guided = PriorSampling(prior_steps=3, prior_guidance=(3.0, 1.0))
    assert not torch.allclose(
        plain[3], made.sample(16, Condition({1: one[1]}), seeded(1), sampling=guided)[3]
    )


@pytest.mark.parametrize("kind", ["unet", "dit"])
def test_windows_keep_the_end_of_the_one_before(kind):
    """The network sees the end of the window before, clean, and its place in the piece."""
    made, seen = prior(kind), []
    network = made.network

    def watched(x, c_noise, facts, text):
        seen.append((x.clone(), facts.clone()))
        return network(x, c_noise, facts, text)

    made.network = watched
    drawn = made.sample(32, Condition(), seeded(1), sampling=QUICK)
    spread = made.standardised(GRID.spread(drawn, 32))
    (first, start), (last, end) = seen[0], seen[-1]
    assert first[:, 9].all() and not first[:, 10:].any()  # the timbre alone is known
    assert start[0].tolist() == pytest.approx([0.0, 0.5, math.log2(2) / 4])
    assert end[0, 1] >= 1.0
    kept = kept_frames(16, 4, QUICK.keep)
    torch.testing.assert_close(last[:, :9, :kept], spread[..., 16 : 16 + kept])
    assert last[:, 9:12, :kept].all() and not last[:, 10:12, kept:].any()


def test_a_window_of_one_step_keeps_nothing_and_ends():
    assert [kept_frames(window, 4, 0.5) for window in (4, 8, 16)] == [0, 4, 8]
    grid = Grid((Level(3, 0), Level(4, 8), Level(2, 1)))
    made = new("gaussian", PRIORS["gaussian"].Config(window=8, components=4), grid, "a model", 0)
    drawn = made.sample(24, Condition(), seeded(1), sampling=QUICK)
    assert drawn[3].shape == (1, 2, 24)


def test_a_piece_shorter_than_a_window_has_the_length_of_one(monkeypatch):
    made, seen = prior("dit"), []
    draw = made._window
    monkeypatch.setattr(
        made, "_window", lambda window, *rest: seen.append(window.facts) or draw(window, *rest)
    )
    made.sample(8, Condition(), seeded(1), sampling=QUICK)
    torch.testing.assert_close(seen[0], torch.tensor([[0.0, 1.0, 0.0]]))


def test_a_gaussian_has_no_more_components_than_numbers():
    with pytest.raises(UserError, match=r"model\.components: is 60, and a window has 51 numbers"):
        prior("gaussian", components=60)


def test_without_its_index_a_window_has_no_place():
    made = prior("dit", index=False)
    condition = Condition({}, torch.zeros(8, 5), torch.arange(8) * 4.0, torch.full((8,), 64.0))
    elsewhere = Condition({}, torch.zeros(8, 5), torch.zeros(8), torch.full((8,), 640.0))
    losses = [made.loss(codes(8, 16), c, Draws((0,), 8)) for c in (condition, elsewhere)]
    assert torch.equal(*losses)


@pytest.mark.parametrize("kind", KINDS)
def test_a_prefix_is_continued(kind):
    made, prefix = prior(kind), codes(1, 32, seed=3)
    drawn = made.sample(20, Condition(), seeded(1), prefix, QUICK)
    fresh = made.sample(20, Condition(), seeded(1), None, QUICK)
    assert drawn[3].shape == fresh[3].shape and not torch.allclose(drawn[3], fresh[3])


def test_everything_given_leaves_nothing():
    known = codes(1, 16)
    with pytest.raises(UserError, match="nothing is left"):
        prior("gaussian").sample(16, Condition(known), seeded(1))


def test_a_text_needs_a_prior_that_reads_it():
    with pytest.raises(UserError, match="the prior unet reads none"):
        prior("unet").sample(16, Condition({}, torch.ones(1, 5)), seeded(1))


# -- the Gaussian


def gaussian_codes(batch, seed=0):
    """Windows of 16 frames whose 35 + 3 numbers are three factors and a little noise."""
    generator = seeded(5)
    size = sum(channels * frames for channels, frames in GRID.shapes(16))
    mixing, factors = torch.randn(size, 3, generator=generator), torch.randn(batch, 3, generator=seeded(seed))
    rows = 2 + factors @ mixing.T + 0.1 * torch.randn(batch, size, generator=seeded(seed + 100))
    made = prior("gaussian")
    return made.grid.gather(made._windows(rows, 16)), mixing


def test_the_gaussian_has_the_moments_of_its_windows():
    known, _ = gaussian_codes(4000)
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=3), GRID, "", 0)
    made.fit(known)
    drawn = made.sample(16, Condition(), seeded(1), count=4000)
    for level, code in known.items():
        a, b = code.flatten(1), drawn[level].flatten(1)
        torch.testing.assert_close(a.mean(dim=0), b.mean(dim=0), atol=0.15, rtol=0.1)
        torch.testing.assert_close(torch.cov(a.T), torch.cov(b.T), atol=0.4, rtol=0.15)


def test_the_gaussian_fills_in_what_follows_from_what_is_given():
    """Three factors are known from a timbre of three numbers: the melody follows, but for the noise."""
    known, _ = gaussian_codes(4000)
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=3), GRID, "", 0)
    made.fit(known)
    held, _ = gaussian_codes(1, seed=7)
    drawn = made.sample(16, Condition({k: held[k] for k in (2, 3)}), seeded(1), count=500)
    torch.testing.assert_close(drawn[1].mean(dim=0), held[1][0], atol=0.15, rtol=0.1)


def test_its_likelihood_is_the_gaussians():
    """Against torch's own, of the covariance that the components and the rest make."""
    known, _ = gaussian_codes(200)
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=3), GRID, "", 0)
    made.fit(known)
    rows = made._rows(made._standardised(known)).double()
    axes = made.axes.double()
    covariance = axes @ axes.T + made.rest.double() * torch.eye(len(axes))
    exact = torch.distributions.MultivariateNormal(made.centre.double(), covariance).log_prob(rows)
    losses = made.loss(known, Condition(), Draws((0,), 200))
    torch.testing.assert_close(losses.double(), -exact / rows.shape[1], rtol=1e-3, atol=1e-3)


def test_shares_of_the_mean_and_the_components():
    """Windows around 2 with three factors of known variance, and a hundredth of noise."""
    known, mixing = gaussian_codes(4000)
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=3), GRID, "", 0)
    made.fit(known)
    mean, components = made.shares(known)
    spread = float(mixing.square().mean() * 3 + 0.01)
    assert mean == pytest.approx(4 / (4 + spread), abs=0.05)
    assert components == pytest.approx(1 - 0.01 / spread, abs=0.01)


@pytest.mark.parametrize("windows", [20, 200])  # fewer and more than the numbers of a window, 51
def test_its_components_are_those_of_a_singular_value_decomposition(windows):
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=6), GRID, "", 0)
    known = codes(windows, 16)
    made.fit(known)
    rows = made._rows(made._standardised(known)).double()
    _, sizes, directions = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    variances = sizes.square() / (windows - 1)
    rest = variances[6:].sum() / (rows.shape[1] - 6)
    torch.testing.assert_close(made.rest.double(), rest[None])
    covariance = directions[:6].T * (variances[:6] - rest) @ directions[:6]
    torch.testing.assert_close((made.axes @ made.axes.T).double(), covariance, atol=1e-5, rtol=1e-5)


def test_more_components_than_windows():
    made = new("gaussian", PRIORS["gaussian"].Config(window=16, components=64), GRID, "", 0)
    with pytest.raises(UserError, match="more than the 64 components"):
        made.fit(codes(64, 16))


# -- diffusion


@pytest.mark.parametrize("process", ["edm", "linear", "cosine"])
def test_diffusion_learns_a_distribution(process):
    """Codes of two kinds: after a few hundred steps samples are near one or the other, not between."""
    made = prior("unet", process=process, widths=(16, 16))
    optimizer = torch.optim.Adam(made.parameters(), 3e-3)
    sign = torch.where(torch.rand(64, 1, 1, generator=seeded(0)) < 0.5, -1.0, 1.0)
    data = {k: sign.expand(64, *shape).clone() for k, shape in enumerate(GRID.shapes(16), 1)}
    made.mean.zero_()
    for matrix in (made.white, made.colour):
        matrix.copy_(torch.eye(9))
    where = Condition({}, None, torch.zeros(64), torch.full((64,), 16.0))
    for step in range(150 if process == "edm" else 300):
        optimizer.zero_grad()
        made.loss(data, where, Draws((step,), 64)).mean().backward()
        optimizer.step()
    drawn = made.sample(16, Condition(), seeded(1), sampling=PriorSampling(prior_steps=50), count=64)
    melody = drawn[3].flatten(1).mean(dim=1)
    assert (melody > 0).any() and (melody < 0).any()
    right = 0.65
    if process == "edm":  # of DDPM's noise, a small error is a large one of the codes at first
        assert (melody.abs() - 1).abs().median() < 0.35
        right = 0.9
    given = {1: torch.ones(1, 3, 1)}
    drawn = made.sample(16, Condition(given), seeded(1), sampling=PriorSampling(prior_steps=50), count=128)
    assert (drawn[3].flatten(1).mean(dim=1) > 0).float().mean() > right


def test_codes_are_standardised_level_by_level():
    """Channels of a level that go together, with scales far apart, become independent, and come back."""
    mixing = torch.tensor([[1.0, 0.9, 0.0], [0.0, 0.3, 0.0], [0.0, 0.0, 3.0]])
    known = codes(2000, 16)
    known[1] = mixing @ known[1]
    made = new("unet", PRIORS["unet"].Config(window=16, widths=(8,)), GRID, "", 0)
    made.fit(known)
    x = GRID.spread(known, 16)
    numbers = made.standardised(x)
    torch.testing.assert_close(torch.cov(numbers[:, :3, 0].T), torch.eye(3), atol=0.05, rtol=0)
    torch.testing.assert_close(made.restored(numbers), x, atol=1e-3, rtol=1e-3)
    assert not made.white[:3, 3:].any()


def test_known_codes_are_no_part_of_the_loss():
    """A timbre is known or absent, the beginning of the melody often known; there is always more to draw."""
    made = prior("dit")
    known, absent = made._masks(16, Draws((3,), 512))
    assert torch.equal(known[:, 0], ~absent[:, 0]) and not absent[:, 1:].any()
    assert (~known[:, 1:, -4:]).all() and torch.equal(known[:, 1], known[:, 2])
    assert not made._masks(4, Draws((3,), 512))[0][:, 1:].any()  # nor of a window of one step
    shares = absent[:, 0, 0].float().mean(), known[:, 1, 0].float().mean()
    assert shares[0] == pytest.approx(0.1, abs=0.05) and shares[1] == pytest.approx(0.6, abs=0.08)


# -- timbres


def two_kinds():
    """Timbres around -3, of which one thing is said, and around 3, of which another is."""
    made, signs = Timbres(3, 2), torch.tensor([-1.0, 1.0]).repeat(100)
    texts = torch.stack([signs < 0, signs > 0], dim=1).float()
    made.fit(3 * signs[:, None].expand(-1, 3) + 0.1 * torch.randn(200, 3, generator=seeded(0)), texts)
    return made


def test_timbres_are_near_those_that_were_heard():
    drawn = two_kinds().draw(2000, None, 1.0, seeded(1))
    assert drawn.shape == (2000, 3)
    assert (drawn.mean(dim=1) > 0).float().mean() == pytest.approx(0.5, abs=0.05)
    assert (drawn.abs() - 3).std() == pytest.approx(WIDTH, abs=0.1)


def test_words_say_which():
    made = two_kinds()
    texts = torch.tensor([[5.0, 0.0], [0.0, 5.0], [0.0, 0.0]]).repeat_interleave(500, dim=0)
    first, second, any_ = (
        (made.draw(1500, texts, 1.0, seeded(1)).mean(dim=1) > 0).float().view(3, 500).mean(dim=1)
    )
    assert first < 0.02 and second > 0.98 and 0.4 < any_ < 0.6
    weak = (made.draw(2000, texts[:1], 0.1, seeded(1)).mean(dim=1) > 0).float().mean()
    assert 0.05 < weak < 0.4  # a weight far below 1 leaves others a chance


def test_a_timbre_for_a_melody_is_drawn_without_the_network():
    made, known = prior("dit"), codes(1, 40)
    made.network = None
    drawn = made.sample(40, Condition({k: known[k] for k in (2, 3)}), seeded(1), sampling=QUICK, count=3)
    assert drawn[1].shape == (3, 3, 1) and len(drawn[1].unique(dim=0)) == 3
    torch.testing.assert_close(drawn[1].mean(), torch.tensor(1.0), atol=1.0, rtol=0)  # as those it heard


def test_facts_say_where_a_window_is():
    facts = facts_of(torch.tensor([0.0, 64.0]), torch.tensor([128.0, 128.0]), 64)
    assert facts.tolist() == [[0.0, 0.5, 0.25], [0.5, 1.0, 0.25]]


# -- files


@pytest.mark.parametrize("kind", KINDS)
def test_files(kind, tmp_path):
    made = prior(kind)
    made.provenance = {"data": "pieces"}
    made.save(tmp_path / "prior.safetensors")
    again = find(kind, tmp_path)
    assert again.provenance == {"data": "pieces"} and again.grid == GRID and again.config == made.config
    one, two = (p.sample(16, Condition(), seeded(1), sampling=QUICK) for p in (made, again))
    assert all(torch.equal(one[level], two[level]) for level in one)


def test_files_of_something_else(tmp_path):
    prior("unet").save(tmp_path / "prior.safetensors")
    with pytest.raises(UserError, match="holds a unet, expected a dit; give --prior"):
        find("dit", tmp_path)
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "none.safetensors")
    with pytest.raises(UserError, match="the prior unet is of another model or codec"):
        find("unet", tmp_path).require("b model")


def test_windows_fit_the_grid():
    with pytest.raises(UserError, match="window: is 18, expected a multiple of 4"):
        new("unet", PRIORS["unet"].Config(window=18), GRID, "", 0)


# -- images of log-mels


def test_an_image_is_drawn_window_by_window():
    made = new("image", PRIORS["image"].Config(window=16, channels=(8, 8, 8), text=3), IMAGE, "mel-8", 0)
    drawn = made.sample(40, Condition({}, torch.ones(1, 3)), seeded(1), sampling=QUICK, count=2)[1]
    other = made.sample(40, Condition({}, -torch.ones(1, 3)), seeded(1), sampling=QUICK, count=2)[1]
    assert drawn.shape == (2, 8, 40) and not torch.equal(drawn, other)


def test_images_can_be_halved():
    with pytest.raises(UserError, match="window 18: give a multiple of 4"):
        PRIORS["image"].Config(window=18)
    with pytest.raises(UserError, match="an image of 9 rows"):
        new("image", PRIORS["image"].Config(channels=(8, 8, 8)), GRID, "", 0)


def test_without_timbres_there_is_always_a_melody_to_draw():
    made = new("unet", PRIORS["unet"].Config(window=16, widths=(8, 8)), IMAGE, "mel-8", 0)
    known, absent = made._masks(16, Draws((0,), 256))
    assert not absent.any() and not known[:, :, -1].any()


def test_an_image_has_a_file(tmp_path):
    made = new("image", PRIORS["image"].Config(window=16, channels=(8, 8, 8), text=3), IMAGE, "mel-8", 0)
    made.save(tmp_path / "prior.safetensors", half=True)
    again = load(tmp_path / "prior.safetensors")
    assert (
        again.model == "mel-8"
        and again.sample(16, Condition(), seeded(1), sampling=QUICK)[1].isfinite().all()
    )
