import pytest
import torch

from tests.unit.model.makers import a_network, a_network_plan, a_plan
from voxray.model.evidence import MaskEvidence, max_inside, mean_inside
from voxray.model.networks import ClassHead

_SURE = 12.0
_SIZES = slice(2, 5)  # surest, volume, three cross-sections, mean, deviation, hidden


def a_looking_plan():
    network = a_network_plan().model_copy(update={"evidence": "size_and_looks"})
    return a_plan("both", network=network)


def a_box(i: int, j: int, k: int) -> torch.Tensor:
    """Logits that are sure of a box of so many voxels in 16 x 20 x 12."""
    inside = torch.zeros(16, 20, 12, dtype=torch.bool)
    inside[2 : 2 + i, 2 : 2 + j, 2 : 2 + k] = True
    foreground = torch.where(inside, _SURE, -_SURE)
    return torch.stack([-foreground, foreground])[None]


def values(image: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
    said: torch.Tensor = MaskEvidence(a_looking_plan())(image, logits)
    return said[0, :9].detach() / 4  # the scale before the last layer


def test_sizes_are_log_shares_of_the_largest_cross_sections():
    said = values(torch.zeros(1, 1, 16, 20, 12), a_box(4, 5, 6))
    shares = torch.tensor([5 * 6 / (20 * 12), 4 * 6 / (16 * 12), 4 * 5 / (16 * 20)])
    assert said[_SIZES] == pytest.approx(2 * (torch.log10(shares + 1e-4) + 2), abs=1e-3)


def test_looks_are_mean_and_deviation_of_the_image_inside():
    image = torch.zeros(1, 1, 16, 20, 12)
    image[0, 0, 2:6, 2:7, 2:8] = 3.0
    image[0, 0, 2:6, 2:7, 2:5] = 1.0
    mean, deviation = values(image, a_box(4, 5, 6))[5:7]
    assert float(mean) == pytest.approx(2.0, abs=0.03)
    assert float(deviation) == pytest.approx(1.0, abs=0.02)


def test_what_lies_outside_the_mask_does_not_change_its_looks():
    image = torch.zeros(1, 1, 16, 20, 12)
    image[0, 0, 10:] = 100.0
    assert values(image, a_box(4, 5, 6))[5:] == pytest.approx(torch.zeros(4), abs=1e-3)


def test_the_brightest_and_the_darkest_are_local_means_of_the_inside():
    image = torch.full((1, 1, 16, 20, 12), 50.0)  # bright beyond, and right beside
    image[0, 0, 2:10, 2:10, 2:10] = 1.0
    image[0, 0, 3:6, 3:6, 3:6] = 4.0
    image[0, 0, 6:9, 6:9, 6:9] = -2.0
    brightest, darkest = values(image, a_box(8, 8, 8))[7:9]
    assert (2 * float(brightest), 2 * float(darkest)) == pytest.approx((4, -2), abs=0.1)


def test_an_empty_mask_is_evidence_too():
    said = values(torch.randn(1, 1, 16, 20, 12), a_box(0, 0, 0))
    assert torch.isfinite(said).all()
    assert said[5:] == pytest.approx(torch.zeros(4), abs=1e-6)


def test_the_evidence_has_features_per_channel_and_structure():
    plan = a_looking_plan().model_copy(
        update={
            "channels": ("t1", "t2"),
            "structures": ("a", "b"),
            "mask_values": (1, 2),
        }
    )
    evidence = MaskEvidence(plan)
    said = evidence(torch.randn(3, 2, 16, 20, 12), torch.randn(3, 3, 16, 20, 12))
    assert said.shape == (3, evidence.n_features)


def test_no_gradient_reaches_the_mask():
    logits = a_box(4, 5, 6).requires_grad_()
    evidence = MaskEvidence(a_looking_plan())
    evidence(torch.randn(1, 1, 16, 20, 12), logits).sum().backward()
    assert logits.grad is None


def test_a_model_from_before_reads_sure_place_and_volume_alone():
    evidence = MaskEvidence(a_plan("both"))
    assert evidence.n_features == 2
    assert not list(evidence.parameters())


def test_training_hides_the_image_or_the_mask_from_the_class_now_and_then():
    head = ClassHead(a_looking_plan()).train()
    shares = head._turns(torch.zeros(200, 3))
    assert set(shares.flatten().tolist()) == {0.0, 0.5, 1.0}


def test_prediction_weighs_image_and_mask_equally():
    head = ClassHead(a_looking_plan()).eval()
    assert set(head._turns(torch.zeros(3, 3)).flatten().tolist()) == {0.5}


def test_features_are_pooled_inside_the_mask_on_a_coarser_grid():
    features = torch.full((1, 2, 8, 10, 6), -5.0)
    features[:, :, 1:3, 1:3, 1:3] = 4.0
    mask = a_box(4, 4, 4)
    n_inside, n = 8, 8 * 10 * 6
    everywhere = (4.0 * n_inside - 5.0 * (n - n_inside)) / n  # weighs half a voxel
    mean = (4.0 * n_inside + 0.5 * everywhere) / (n_inside + 0.5)
    wanted = torch.full((1, 2), mean)
    assert mean_inside(features, mask) == pytest.approx(wanted, abs=0.01)
    assert max_inside(features, mask) == pytest.approx(torch.full((1, 2), 4.0))


def test_without_a_structure_the_mean_is_over_the_volume():
    features = torch.randn(1, 3, 8, 10, 6)
    wanted = features.mean((2, 3, 4))
    assert mean_inside(features, a_box(0, 0, 0)) == pytest.approx(wanted, abs=1e-4)


def test_the_class_does_not_teach_the_mask_where_it_looks():
    network = a_network(a_looking_plan()).train()
    network(torch.randn(2, 1, 16, 20, 12)).class_logits.sum().backward()
    assert network.decoder is not None
    assert all(p.grad is None for p in network.decoder.parameters())
