from itertools import permutations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import ndimage

from tests.unit.evaluate.makers import a_mask
from tests.unit.evaluate.mask_makers import a_blob, a_box, a_grid
from voxray.core.errors import ManifestError
from voxray.evaluate import LesionSource, find_lesions, read_lesions, write_lesions
from voxray.evaluate.lesions import LesionMap, match_lesions

LINE = (12, 1, 1)


def on_a_line(*spans):
    """A mask that is full between these (start, stop) along the first axis."""
    mask = np.zeros(LINE, bool)
    for start, stop in spans:
        mask[start:stop] = True
    return mask


def slabs(shares, thick=5):
    for start in range(0, len(shares), thick):
        yield slice(start, start + thick), shares[start : start + thick]


def lesions_of(pred, truth, shares=None, iou=0.1, spacing_mm=(1.0, 1.0, 1.0)):
    shares = pred * 0.9 if shares is None else shares
    source = LesionSource(
        a_mask("e0", "p0", 0.5), "lesion", a_grid(pred.shape, spacing_mm)
    )
    return find_lesions(pred, truth, slabs(shares), source, iou)


def pairs_of(pred, truth, scores, iou=0.1):
    maps = LesionMap.of(pred), LesionMap.of(truth)
    found = match_lesions(*maps, np.asarray(scores, float), iou)
    return {(pair.predicted, pair.drawn) for pair in found}


def test_lesions_have_volume_place_and_score():
    pred, truth = on_a_line((1, 4), (8, 10)), on_a_line((2, 4))
    shares = np.linspace(0.1, 1.2, 12).reshape(LINE)

    rows = lesions_of(pred, truth, shares, spacing_mm=(2, 5, 10))

    said = [(r.kind, r.number, round(r.volume_ml, 9), r.voxel_ijk) for r in rows]
    assert said == [
        ("predicted", 1, 0.3, (2, 0, 0)),
        ("predicted", 2, 0.2, (9, 0, 0)),
        ("drawn", 1, 0.2, (3, 0, 0)),
    ]
    assert [r.score for r in rows] == pytest.approx([0.4, 1.0, None])
    assert [(r.match, r.iou) for r in rows] == [
        (1, pytest.approx(2 / 3)),
        (None, None),
        (1, pytest.approx(2 / 3)),
    ]


def test_voxels_that_share_a_corner_are_one_lesion():
    mask = np.zeros((4, 4, 4), bool)
    mask[0, 0, 0] = mask[1, 1, 1] = mask[3, 3, 3] = True

    assert LesionMap.of(mask).sizes.tolist() == [2, 1]


def test_overlap_below_the_rule_finds_nothing():
    pred, truth = on_a_line((0, 6)), on_a_line((5, 12))

    assert pairs_of(pred, truth, [0.9], iou=1 / 12) == {(1, 1)}
    assert pairs_of(pred, truth, [0.9], iou=0.0834) == set()


def test_one_lesion_over_two_drawn_ones_finds_one():
    pred, truth = on_a_line((0, 9)), on_a_line((0, 3), (5, 9))

    assert pairs_of(pred, truth, [0.9]) == {(1, 2)}


def test_two_lesions_in_one_drawn_one_are_one_hit_and_one_false():
    pred, truth = on_a_line((0, 3), (5, 9)), on_a_line((0, 9))

    assert pairs_of(pred, truth, [0.6, 0.8]) == {(2, 1)}
    assert pairs_of(pred, truth, [0.8, 0.6]) == {(1, 1)}


def test_of_equal_scores_the_larger_lesion_is_first():
    pred, truth = on_a_line((0, 3), (5, 9)), on_a_line((0, 9))

    assert pairs_of(pred, truth, [0.8, 0.8]) == {(2, 1)}


def test_empty_masks_have_no_lesions():
    empty, full = on_a_line(), on_a_line((2, 5))

    assert lesions_of(empty, empty) == []
    assert [r.kind for r in lesions_of(full, empty)] == ["predicted"]
    assert [r.kind for r in lesions_of(empty, full)] == ["drawn"]


def random_lesions():
    generator = np.random.default_rng(3)
    for _ in range(40):
        pred, truth = (a_blob(generator, (12, 10, 6), 0.12) for _ in range(2))
        truth |= pred & a_blob(generator, pred.shape, 0.5)
        yield pred, truth, generator


def test_overlaps_are_those_counted_voxel_by_voxel():
    for pred, truth, generator in random_lesions():
        labels = [ndimage.label(m, np.ones((3, 3, 3)))[0] for m in (pred, truth)]
        scores = generator.uniform(size=labels[0].max())
        maps = LesionMap.of(pred), LesionMap.of(truth)
        for pair in match_lesions(*maps, scores, 0.1):
            own, drawn = labels[0] == pair.predicted, labels[1] == pair.drawn
            assert pair.iou == pytest.approx((own & drawn).sum() / (own | drawn).sum())
            assert pair.iou >= 0.1


def test_pairs_above_a_threshold_are_those_of_the_lesions_above_it_alone():
    """So a curve over thresholds needs one matching."""
    for pred, truth, generator in random_lesions():
        labels, n = ndimage.label(pred, np.ones((3, 3, 3)))
        scores = generator.uniform(size=n)
        above = np.flatnonzero(scores > 0.5) + 1
        kept = np.isin(labels, above)
        alone = pairs_of(kept, truth, scores[above - 1])

        both = {(p, d) for p, d in pairs_of(pred, truth, scores) if scores[p - 1] > 0.5}
        assert both == {(int(above[p - 1]), d) for p, d in alone}


def test_no_other_order_finds_fewer_lesions_of_half_overlap():
    """With an IoU above one half a lesion has one partner: order means nothing."""
    for pred, truth, generator in random_lesions():
        n = len(LesionMap.of(pred).sizes)
        orders = [generator.permutation(n) for _ in range(3)]
        assert len({frozenset(pairs_of(pred, truth, o, iou=0.51)) for o in orders}) == 1


def test_best_scored_first_on_a_table_of_all_orders():
    """Scores decide which of two lesions is the hit, in whatever order they lie."""
    pred, truth = on_a_line((0, 2), (3, 6), (7, 11)), on_a_line((0, 12))
    for scores in permutations([0.2, 0.5, 0.9]):
        assert pairs_of(pred, truth, scores) == {(scores.index(0.9) + 1, 1)}


def test_masks_of_different_shape_are_refused():
    with pytest.raises(ValueError, match="masks differ in shape"):
        lesions_of(np.ones((2, 2, 2), bool), a_box((3, 2, 2), (0, 1)))


def test_lesions_read_back(tmp_path):
    rows = lesions_of(on_a_line((1, 4), (8, 10)), on_a_line((2, 4)))
    write_lesions(rows[::-1], tmp_path / "lesions.parquet")

    assert set(read_lesions(tmp_path / "lesions.parquet")) == set(rows)
    write_lesions((), tmp_path / "none.parquet")
    assert read_lesions(tmp_path / "none.parquet") == ()


def test_broken_tables_of_lesions_are_refused(tmp_path):
    with pytest.raises(ManifestError, match=r"cannot read 'a.parquet'.*run stage 5"):
        read_lesions(tmp_path / "a.parquet")
    pq.write_table(pa.table({"repeat": [0]}), tmp_path / "a.parquet")
    with pytest.raises(ManifestError, match=r"lacks the columns exam_id, fold"):
        read_lesions(tmp_path / "a.parquet")
