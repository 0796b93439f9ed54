from dataclasses import replace

import pytest
import torch

from tests.unit.model.makers import a_plan
from voxray.train import augment
from voxray.train.augment import Draw, apply_to_image, apply_to_mask, draw, mix


def a_generator(seed=0):
    return torch.Generator().manual_seed(seed)


def still(n=1, theta=None):
    """A draw that changes nothing but what theta says."""
    one = torch.eye(3, 4).repeat(n, 1, 1) if theta is None else theta
    nothing = torch.zeros(n)
    return Draw(one, torch.ones(n), nothing, torch.ones(n), nothing)


def a_blob(shape, centre, size=2):
    blob = torch.zeros(1, 1, *shape)
    i, j, k = (slice(c - size, c + size) for c in centre)
    blob[0, 0, i, j, k] = 1
    return blob


def centre_of(blob):
    return torch.nonzero(blob[0, 0] > 0.5).float().mean(dim=0)


def theta_of(plan, matrix_mm, monkeypatch):
    """The theta that a plan gives for this rotation about the centre (mm)."""
    monkeypatch.setattr(augment, "_rotations", lambda _angles: matrix_mm[None])
    monkeypatch.setattr(augment, "_SCALE", 0.0)
    monkeypatch.setattr(augment, "_SHIFT", 0.0)
    return draw(plan, 1, a_generator()).theta


def test_a_draw_that_does_nothing_leaves_the_batch():
    batch = torch.randn(2, 1, 8, 9, 7)
    after = apply_to_image(batch, still(2), a_generator())
    torch.testing.assert_close(after, batch, atol=1e-5, rtol=0)
    mask = (batch > 0).float()
    torch.testing.assert_close(apply_to_mask(mask, still(2)), mask)


@pytest.mark.parametrize("seed", range(5))
def test_the_mask_is_turned_as_the_image_is(seed):
    plan = a_plan(input_shape=(24, 24, 24), mirror_axes=(0,))
    drawn = draw(plan, 1, a_generator(seed))
    plain = still(1, drawn.theta)
    blob = a_blob((24, 24, 24), (8, 14, 10), size=3)
    turned = apply_to_image(blob, plain, a_generator())
    gap = centre_of(turned) - centre_of(apply_to_mask(blob, plain))
    assert gap.abs().max() < 0.5


def test_mask_values_are_never_mixed():
    drawn = draw(a_plan(), 2, a_generator())
    mask = torch.randint(0, 3, (2, 1, 16, 20, 12)).float()
    assert set(apply_to_mask(mask, drawn).unique().tolist()) <= {0, 1, 2}


def test_a_rotation_is_one_in_millimetres_and_shears_nothing(monkeypatch):
    quarter = torch.tensor([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])
    plan = a_plan(input_shape=(16, 40, 20), spacing_mm=(1.0, 1.0, 2.0), mirror_axes=())
    theta = theta_of(plan, quarter, monkeypatch)
    blob = a_blob((16, 40, 20), (8, 30, 10))  # 9.5 mm in front of the centre
    turned = centre_of(apply_to_mask(blob, still(1, theta)))
    offset_mm = (turned - torch.tensor([7.5, 19.5, 9.5])) * torch.tensor([1.0, 1, 2])
    assert offset_mm[1].abs() < 1
    assert offset_mm[2].abs() == pytest.approx(10, abs=1.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_mirroring_flips_the_axis_of_the_plan_and_no_other(monkeypatch, axis):
    plan = a_plan(mirror_axes=(axis,))
    batch = torch.randn(1, 1, 16, 20, 12)
    monkeypatch.setattr(augment, "_ROTATION", 0.0)
    monkeypatch.setattr(augment, "_SCALE", 0.0)
    monkeypatch.setattr(augment, "_SHIFT", 0.0)
    seen = set()
    for seed in range(12):
        theta = draw(plan, 1, a_generator(seed)).theta
        after = apply_to_mask(batch, still(1, theta))
        flipped = torch.allclose(after, batch.flip(2 + axis), atol=1e-5)
        assert flipped or torch.allclose(after, batch, atol=1e-5)
        seen.add(flipped)
    assert seen == {True, False}


def test_without_mirror_axes_nothing_is_mirrored():
    drawn = draw(a_plan(mirror_axes=()), 64, a_generator())
    assert (torch.linalg.det(drawn.theta[:, :, :3]) > 0).all()


@pytest.mark.parametrize("task", ["classify", "segment", "both"])
def test_some_exams_are_not_blurred(task):
    theta = draw(a_plan(task, mirror_axes=(0,)), 400, a_generator()).theta
    still = (theta.abs() == torch.eye(3, 4)).all(dim=(1, 2))
    assert still.float().mean() == pytest.approx(0.3, abs=0.06)
    mirrored = torch.linalg.det(theta[still][:, :, :3]) < 0
    assert mirrored.float().mean() == pytest.approx(0.5, abs=0.15)


def test_flat_and_coarse_axes_are_not_turned_into_others():
    flat = a_plan(input_shape=(16, 20, 1))
    coarse = a_plan(spacing_mm=(1.0, 1.0, 5.0))
    for plan in (flat, coarse):
        theta = draw(plan, 16, a_generator()).theta  # rows and columns are k, j, i
        assert theta[:, 0, 1:3].abs().max() == 0
        assert theta[:, 1:, 0].abs().max() == 0
        assert theta[:, 1, 2].abs().max() > 0


def test_the_thickness_of_a_flat_scan_does_not_stop_rotation():
    plan = a_plan(input_shape=(16, 20, 1), spacing_mm=(1.0, 1.0, 0.1))
    assert draw(plan, 16, a_generator()).theta[:, 1, 2].abs().max() > 0


def test_a_flat_batch_keeps_its_one_slice():
    plan = a_plan(input_shape=(16, 20, 1))
    batch = torch.ones(2, 1, 16, 20, 1)
    drawn = replace(still(2), theta=draw(plan, 2, a_generator()).theta)
    torch.testing.assert_close(apply_to_image(batch, drawn, a_generator()), batch)


@pytest.mark.parametrize("strength", [0.0, 1.0, 2.0])
def test_strength_is_a_factor_on_all_ranges(strength):
    plan = a_plan(mirror_axes=())
    drawn = draw(plan, 2000, a_generator(), strength)
    largest = {
        "gain": drawn.gain.log(),
        "offset": drawn.offset,
        "gamma": drawn.gamma.log(),
        "noise": drawn.noise,
    }
    reached = {name: float(value.abs().max()) for name, value in largest.items()}
    plain = {"gain": 0.12, "offset": 0.15, "gamma": 0.2, "noise": 0.08}
    assert reached == pytest.approx(
        {name: strength * value for name, value in plain.items()}, rel=0.03, abs=1e-6
    )
    sizes = torch.linalg.det(drawn.theta[:, :, :3]).log() / 3
    assert sizes.abs().max() == pytest.approx(0.1 * strength, rel=0.03, abs=1e-6)


def test_the_same_seed_draws_the_same():
    plan, batch = a_plan(), torch.randn(3, 1, 16, 20, 12)
    one, two = (
        apply_to_image(batch, draw(plan, 3, generator), generator)
        for generator in (a_generator(3), a_generator(3))
    )
    assert torch.equal(one, two)


def test_augmented_intensities_stay_finite():
    batch = torch.zeros(8, 1, 6, 6, 6)
    plan = a_plan(input_shape=(6, 6, 6))
    for seed in range(5):
        drawn = draw(plan, 8, a_generator(seed))
        assert torch.isfinite(apply_to_image(batch, drawn, a_generator())).all()


def test_mixing_takes_the_same_share_of_exams_and_of_classes():
    drawn = replace(
        still(2), own=torch.tensor([0.75, 1.0]), partner=torch.tensor([1, 0])
    )
    images, wanted = torch.tensor([0.0, 8.0]), torch.tensor([[1.0, 0], [0, 1.0]])
    mixed = mix(images.reshape(2, 1, 1, 1, 1), drawn)
    assert mixed.flatten().tolist() == [2.0, 8.0]
    assert mix(wanted, drawn).tolist() == [[0.75, 0.25], [0.0, 1.0]]


def test_an_exam_keeps_most_of_itself_and_without_mixup_all():
    drawn = draw(a_plan("classify", mixup=True), 50, a_generator())
    assert drawn.partner is not None
    assert drawn.own is not None
    assert sorted(drawn.partner.tolist()) == list(range(50))
    assert 0.5 <= drawn.own.min() < drawn.own.max() <= 1
    batch = torch.randn(3, 2)
    assert torch.equal(mix(batch, draw(a_plan(), 3, a_generator())), batch)


def test_a_label_nobody_stated_stays_unstated_in_a_mixture():
    drawn = replace(
        still(2), own=torch.tensor([0.75, 0.75]), partner=torch.tensor([1, 0])
    )
    wanted = torch.tensor([[1.0, float("nan")], [0.0, 1.0]])
    assert torch.isnan(mix(wanted, drawn)).tolist() == [[False, True], [False, True]]
