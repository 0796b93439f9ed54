import pytest
import torch

from voxray.model.layers import CohortNorm, FlatConv3d


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_flat_axis_gives_the_same_sums_as_a_3d_convolution(axis):
    kernel, stride, size = [3, 3, 3], [2, 1, 2], [9, 8, 7]
    kernel[axis], stride[axis], size[axis] = 1, 1, 1
    i, j, k = kernel
    a, b, c = stride
    flat = FlatConv3d(2, 3, (i, j, k), (a, b, c), (i // 2, j // 2, k // 2))
    image = torch.randn(2, 2, *size)
    expected = torch.nn.Conv3d.forward(flat, image)
    torch.testing.assert_close(flat(image), expected)


def test_thick_data_pass_through_a_flat_kernel_slice_by_slice():
    flat = FlatConv3d(1, 2, (3, 3, 1), 1, (1, 1, 0))
    image = torch.randn(1, 1, 6, 6, 4)
    torch.testing.assert_close(flat(image)[..., 2:3], flat(image[..., 2:3]))


def test_each_feature_is_standardised_over_exams():
    small = 0.01 * torch.randn(16, 1, generator=torch.Generator().manual_seed(0))
    said = CohortNorm(2).train()(torch.cat([5 + small, 100 * small], dim=1))
    torch.testing.assert_close(said[:, 0], said[:, 1], atol=0.1, rtol=0)
    assert said.std(0).min() > 0.5


def test_an_exam_unlike_all_others_scores_within_bounds():
    norm = CohortNorm(1).train()
    norm(torch.randn(16, 1))
    said = norm.eval()(torch.tensor([[1e6], [-1e6]]))
    torch.testing.assert_close(said, torch.tensor([[3.0], [-3.0]]))


def test_batches_of_one_learn_the_deviation_of_the_cohort():
    norm, stream = CohortNorm(1).train(), torch.Generator().manual_seed(0)
    for value in 5 + 2 * torch.randn(2000, generator=stream):
        norm(value.reshape(1, 1))
    assert norm.mean.item() == pytest.approx(5, abs=1)
    assert norm.variance.sqrt().item() == pytest.approx(2, abs=0.7)


def test_prediction_learns_nothing_and_is_the_same_alone_and_in_a_batch():
    norm = CohortNorm(3).train()
    norm(torch.randn(8, 3))
    norm.eval()
    before, features = norm.mean.clone(), torch.randn(4, 3)
    torch.testing.assert_close(norm(features)[1:2], norm(features[1:2]))
    assert torch.equal(norm.mean, before)


def test_a_feature_that_never_changes_stays_finite():
    norm = CohortNorm(1).train()
    said = [norm(torch.full((2, 1), 7.0)) for _ in range(3)]
    assert torch.isfinite(torch.stack(said)).all()
