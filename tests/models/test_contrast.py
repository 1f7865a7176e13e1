import math
from types import SimpleNamespace

import torch

from msdae.models.config import CodecConfig, ModelConfig
from msdae.models.contrast import contrastive_loss, frame_loss, info_nce
from msdae.models.msdae import MSDAE


def test_equals_cross_entropy_written_out():
    torch.manual_seed(0)
    a, p, n = torch.randn(3, 5), torch.randn(3, 5), torch.randn(2, 5)
    unit = lambda x: x / x.norm(dim=1, keepdim=True)  # noqa: E731
    for i, loss in enumerate(info_nce(a, p, n, temperature=0.5)):
        scores = [float(unit(a)[i] @ c) / 0.5 for c in torch.cat([unit(p), unit(n)])]
        expected = -scores[i] + math.log(sum(math.exp(score) for score in scores))
        assert math.isclose(float(loss), expected, rel_tol=1e-5)


def test_candidates_of_the_same_sound_are_no_negatives_and_the_positive_stays():
    a = torch.eye(3)
    same = torch.ones(3, 3, dtype=torch.bool)
    assert torch.allclose(info_nce(a, a, same=same), torch.zeros(3))
    assert (info_nce(a, a.flip(0), same=None) > 1).any()


def test_logits_are_single_precision_under_autocast():
    """Defect 10."""
    torch.manual_seed(0)
    a, p = torch.randn(2, 64, 32)
    with torch.autocast("cpu", torch.bfloat16):
        loss = info_nce(a, p)
        half = info_nce(a.bfloat16(), p.bfloat16())
    assert loss.dtype == half.dtype == torch.float32
    assert torch.equal(loss, info_nce(a, p))


def test_frames_have_to_find_their_place_in_the_clip():
    torch.manual_seed(0)
    code = torch.randn(3, 8, 6)
    target = code + 0.1 * torch.randn(3, 8, 6)
    unknown = torch.full((3, 6), -1)
    near, far = (frame_loss(found, target, unknown, torch.arange(3)) for found in (code, code.roll(1, 0)))
    assert near.shape == (3,) and (near < far).all()


def test_frames_of_equal_pitches_in_other_clips_are_no_negatives():
    """Defect 9."""
    torch.manual_seed(0)
    code = torch.randn(1, 8, 6).expand(2, -1, -1)  # two sounds that play the same notes: equal codes
    pitches = torch.arange(12).repeat_interleave(2)[:12].view(1, 12).expand(2, -1)  # of twice as many frames
    unknown = torch.full((2, 12), -1)
    other = torch.stack([pitches[0], 100 + pitches[1]])
    masked, unmasked, others = (frame_loss(code, code, x, torch.arange(2)) for x in (pitches, unknown, other))
    assert (unmasked > masked + 0.5).all() and torch.equal(unmasked, others)
    candidates = torch.cat([code[0].T, code[1].T])
    same = torch.block_diag(*[torch.ones(6, 6)] * 2).bool() | torch.eye(6).repeat(2, 2).bool()
    expected = info_nce(candidates, candidates, same=same).view(2, 6).mean(dim=1)
    torch.testing.assert_close(masked, expected)


def test_frames_of_a_clip_that_a_batch_has_twice_are_no_negatives():
    """Regression: of a set that is smaller than a batch, without notes."""
    torch.manual_seed(0)
    config = ModelConfig(widths=(16, 16, 24), hidden=16, codec=CodecConfig(std=0.9))
    model = MSDAE(config, 2).eval()
    clips = SimpleNamespace(mel=torch.rand(3, 128, 512), pitches=torch.full((3, 32), -1), indices=[4, 7, 9])
    twice = SimpleNamespace(
        mel=clips.mel.repeat(2, 1, 1), pitches=clips.pitches.repeat(2, 1), indices=clips.indices * 2
    )
    others = SimpleNamespace(**{**vars(twice), "indices": list(range(6))})
    once, copied, apart = (
        contrastive_loss(model, model.encode_level(1, batch.mel), batch) for batch in (clips, twice, others)
    )
    assert (copied < apart - 0.05).all()
    # of each clip two copies, so the frames of others stand there twice: less than log 2 more
    assert (copied[:3] > once).all() and (copied[:3] < once + math.log(2)).all()


def test_a_pooled_level_finds_the_clip_and_ignores_its_sound():
    torch.manual_seed(0)
    config = ModelConfig(widths=(16, 16, 24), hidden=16, codec=CodecConfig(std=0.9))
    model = MSDAE(config, 1).eval()
    mel, content = torch.rand(2, 3, 128, 512)
    sound = torch.arange(3)
    batch = SimpleNamespace(mel=mel, content=content, sound=sound, content_sound=sound + 3)
    code = model.encode_level(0, mel)
    loss = contrastive_loss(model, code, batch)
    assert loss.shape == (3,)
    batch.content_sound = sound  # renditions by the clip's own sound are no negatives
    assert (contrastive_loss(model, code, batch) < loss).all()


def test_groups_of_many_clips_are_even():
    """Else a clip that is left over would have nothing to be told from."""
    torch.manual_seed(0)
    code, pitches = torch.randn(130, 4, 2), torch.full((130, 2), -1)
    target, numbers = torch.randn(130, 4, 2), torch.arange(130)
    for clips, sizes in ((64, [64]), (65, [33, 32]), (128, [64, 64]), (130, [44, 43, 43])):
        some = [x[:clips] for x in (code, target, pitches, numbers)]
        parts = zip(*(x.split(sizes) for x in some), strict=True)
        whole = frame_loss(*some)
        assert torch.equal(whole, torch.cat([frame_loss(*part) for part in parts])) and whole.min() > 0.1
