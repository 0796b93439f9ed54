"""Every figure against a computation that shares no code with it.

    python -m tests.benchmarks.oracles [--studies 100] [--masks 200]

The table gives, per figure, how many cases were compared and the largest absolute
difference. Last come oracles that are wrong on purpose: they must be told from the
right ones. Exit code 1 if a figure is off, or a wrong oracle is not noticed.
"""

import argparse
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from MLstatkit import Delong_test
from numpy.typing import NDArray
from scipy.integrate import cumulative_trapezoid
from scipy.stats import binomtest, norm, somersd, t
from sklearn import metrics as sk
from tests.unit.evaluate.makers import a_prediction, a_study
from tests.unit.evaluate.mask_makers import a_blob, a_grid
from tests.unit.evaluate.test_classes import GRADES
from tests.unit.evaluate.test_oracles import (
    LOOSER,
    ORACLES,
    QUICK,
    WRONG,
    arrays,
    in_folds,
    studies,
)

from voxray.core.specs.task import SegmentClass
from voxray.evaluate import evaluate_oof, measure_masks
from voxray.evaluate.auc import fold_mean_auc
from voxray.evaluate.delong import delong_spread
from voxray.evaluate.exams import ScoredExams
from voxray.evaluate.intervals import jeffreys, t_interval, wilson

Pair = tuple[float, float]
Bools = NDArray[np.bool_]

CLOSE = 1e-9
NOTICED = 1e-3
SKLEARN, SCIPY, BY_HAND = "scikit-learn", "scipy", "by hand"
_BY_HAND = {"ece", "likelihood_ratio_positive", "likelihood_ratio_negative"}


@dataclass(frozen=True, slots=True)
class Compared:
    """One row of the table.

    Attributes:
        pairs: Our value and the oracle's, per case.
        allowed: Largest difference that is rounding.
        wrong: Whether the oracle is wrong on purpose.
    """

    figure: str
    oracle: str
    pairs: tuple[Pair, ...]
    allowed: float = CLOSE
    wrong: bool = False

    @property
    def difference(self) -> float:
        """The largest."""
        return float(np.abs(np.subtract(*np.transpose(self.pairs))).max())

    @property
    def passed(self) -> bool:
        """Whether it is as it should be."""
        if self.wrong:
            return self.difference > NOTICED
        return self.difference <= self.allowed


def classes(n_studies: int) -> Iterator[Compared]:
    """Two classes: sizes, prevalences and signals of all kinds, some scores equal."""
    judged = [arrays(rows) for rows in studies(n_studies)]
    aucs = {
        "auc": in_folds(sk.roc_auc_score),
        "auc_pooled": lambda e, _: sk.roc_auc_score(e.positive, e.score),
    }
    for name, oracle in {**aucs, **ORACLES}.items():
        whose = BY_HAND if name in _BY_HAND else SKLEARN
        whose = f"{SCIPY}'s brentq" if name == "calibration_intercept" else whose
        pairs = tuple(pairs_of(judged, name, oracle))
        yield Compared(name, whose, pairs, LOOSER.get(name, CLOSE))
    for name, oracle in WRONG.items():
        with np.errstate(divide="ignore"):
            pairs = tuple(pairs_of(judged, name, oracle))
        yield Compared(name, "wrong on purpose", pairs, wrong=True)


def pairs_of(
    judged: list[Any], name: str, oracle: Callable[..., float]
) -> Iterator[Pair]:
    for exams, flagged, values in judged:
        if values[name] is not None and np.isfinite(other := oracle(exams, flagged)):
            yield values[name], other


def grades(n_studies: int) -> Iterator[Compared]:
    """Three ordered classes."""
    oracles = {
        "accuracy": (SKLEARN, lambda c: sk.accuracy_score(c.truth, c.said)),
        "balanced_accuracy": (
            SKLEARN,
            lambda c: sk.balanced_accuracy_score(c.truth, c.said),
        ),
        "mcc": (SKLEARN, lambda c: sk.matthews_corrcoef(c.truth, c.said)),
        "quadratic_kappa": (SKLEARN, lambda c: c.kappa("quadratic")),
        "linear_kappa": (SKLEARN, lambda c: c.kappa("linear")),
        "class_error": (SKLEARN, lambda c: sk.mean_absolute_error(c.truth, c.said)),
        "ordinal_c_index": (f"{SCIPY}'s Somers' D", lambda c: c.concordance()),
        "ranked_probability_score": (BY_HAND, lambda c: c.ranked()),
    }
    cases = [GradedStudy.drawn(seed) for seed in range(n_studies)]
    for name, (whose, oracle) in oracles.items():
        pairs = tuple((case.values[name], float(oracle(case))) for case in cases)
        yield Compared(f"{name} of three grades", whose, pairs)


@dataclass(frozen=True, slots=True)
class GradedStudy:
    """Three grades, what was said, and what voxray made of it."""

    truth: NDArray[np.intp]
    shares: NDArray[np.float64]
    folds: NDArray[np.intp]
    values: dict[str, float]

    @classmethod
    def drawn(cls, seed: int) -> "GradedStudy":
        generator = np.random.default_rng(seed)
        names, rows = ("low", "mid", "high"), []
        for patient in range(60):
            place = patient % 3 + generator.uniform(0.3, 1.5) * generator.normal()
            raw = np.exp(-((np.arange(3) - place) ** 2))
            said = dict(zip(names, raw / raw.sum(), strict=True))
            row = a_prediction(f"e{patient:03}", f"p{patient:03}", patient % 5, "", 0.5)
            rows.append(replace(row, label=names[patient % 3], probabilities=said))
        found = evaluate_oof(rows, GRADES, QUICK, 1)
        return cls(
            np.arange(60) % 3,
            np.array([[row.probabilities[name] for name in names] for row in rows]),
            np.arange(60) % 5,
            {m.metric: m.value for m in found if not m.class_ and m.value is not None},
        )

    @property
    def said(self) -> NDArray[np.intp]:
        reached = np.cumsum(self.shares, axis=1) >= 0.5
        return np.asarray(reached.argmax(axis=1), dtype=np.intp)

    def kappa(self, weights: str) -> float:
        return float(sk.cohen_kappa_score(self.truth, self.said, weights=weights))

    def concordance(self) -> float:
        expected = self.shares @ np.arange(3)
        each = [
            somersd(self.truth[own], expected[own]).statistic
            for own in (self.folds == fold for fold in range(5))
        ]
        return float((1 + np.mean(each)) / 2)

    def ranked(self) -> float:
        reached = self.truth[:, None] <= np.arange(3)
        squares = (np.cumsum(self.shares, axis=1) - reached) ** 2
        return float(squares.sum(axis=1).mean() / 2)


def spreads(n_cases: int) -> Iterator[Compared]:
    """Standard errors and intervals."""
    own, difference = [], []
    for seed in range(n_cases):
        pair = [
            scored(np.random.default_rng([seed, number]), signal)
            for number, signal in enumerate((1.0, 1.4))
        ]
        truth, scores = pair[0].positive.astype(int), [one.score for one in pair]
        # its intervals are clipped at 0 and 1: a low level keeps them inside
        said = Delong_test(truth, *scores, alpha=0.1, return_auc=False)
        z, ends = said[0], said[2]
        width = 2 * norm.ppf(0.55)
        error = delong_spread(pair[0]).variance ** 0.5
        own.append((error, (ends[1] - ends[0]) / width))
        error = delong_spread(pair[1], pair[0]).variance ** 0.5
        ahead = fold_mean_auc(pair[1]) - fold_mean_auc(pair[0])
        difference.append((ahead / error, z))
    yield Compared("DeLong standard error of an AUC", "MLstatkit", tuple(own))
    yield Compared("DeLong z of a paired difference", "MLstatkit", tuple(difference))
    yield Compared("Wilson interval", f"{SCIPY}'s binomtest", tuple(wilsons()))
    yield Compared("Jeffreys interval", "a numerical integral", tuple(jeffreys_ends()))
    yield Compared("Student t interval", f"{SCIPY}'s t", tuple(students(n_cases)))


def scored(generator: np.random.Generator, signal: float) -> ScoredExams:
    rows = a_study(generator, n_patients=80, n_positive=30, signal=signal, n_folds=1)
    return ScoredExams.of_class(rows, "yes")


def wilsons() -> Iterator[Pair]:
    for n in (10, 37, 400):
        for k in range(0, n + 1, max(1, n // 20)):
            oracle = binomtest(k, n).proportion_ci(0.95, method="wilson")
            yield from zip(
                wilson(k / n, n, 0.95), (oracle.low, oracle.high), strict=True
            )


def jeffreys_ends() -> Iterator[Pair]:
    """Mass of the posterior below either end, by the trapezoid rule in p = sin^2."""
    angle = np.linspace(0, np.pi / 2, 1_000_001)
    share = np.sin(angle) ** 2
    for n in (10, 37, 400):
        for k in range(1, n, max(1, n // 20)):
            with np.errstate(divide="ignore"):
                log = 2 * k * np.log(np.sin(angle)) + 2 * (n - k) * np.log(
                    np.cos(angle)
                )
            mass = cumulative_trapezoid(np.exp(log - log.max()), angle, initial=0)
            for end, tail in zip(jeffreys(k / n, n, 0.95), (0.025, 0.975), strict=True):
                yield float(np.interp(end, share, mass / mass[-1])), tail


def students(n_cases: int) -> Iterator[Pair]:
    for seed in range(n_cases):
        values = np.random.default_rng(seed).normal(size=5 + seed)
        n, mean = len(values), float(values.mean())
        error = float(values.std(ddof=1)) / n**0.5
        oracle = t.interval(0.95, n - 1, mean, error)
        found = t_interval(mean, error, n, 0.95, share=False)
        assert found is not None
        yield from zip(found, oracle, strict=True)


def masks(n_masks: int) -> Iterator[Compared]:
    """Overlap and surfaces in two and three axes, with spacings that differ."""
    with warnings.catch_warnings():  # it uses names that SciPy 2 will not have
        warnings.simplefilter("ignore", DeprecationWarning)
        cases = [MaskCase.drawn(seed) for seed in range(n_masks)]
        compared = [case for case in cases if case.pred.any() and case.truth.any()]
        surfaces = [case.surfaces() for case in compared]
    ours = [case.measures() for case in compared]
    oracles: dict[str, tuple[str, list[float]]] = {
        "dice": (SKLEARN, [c.flat(sk.f1_score) for c in compared]),
        "iou": (SKLEARN, [c.flat(sk.jaccard_score) for c in compared]),
        "hd95_mm": ("surface-distance", [s[0] for s in surfaces]),
        "nsd": ("surface-distance", [s[1] for s in surfaces]),
        "assd_mm": ("surface-distance", [s[2] for s in surfaces]),
    }
    for name, (whose, values) in oracles.items():
        pairs = tuple(zip((getattr(o, name) for o in ours), values, strict=True))
        yield Compared(name, whose, pairs, 1e-6)
    without_spacing = [replace(c, spacing_mm=(1.0, 1.0, 1.0)) for c in compared]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        values = [case.surfaces()[0] for case in without_spacing]
    pairs = tuple(zip((o.hd95_mm for o in ours), values, strict=True))
    yield Compared("hd95_mm", "wrong on purpose", pairs, wrong=True)


@dataclass(frozen=True, slots=True)
class MaskCase:
    """A predicted and a drawn mask."""

    pred: Bools
    truth: Bools
    spacing_mm: tuple[float, float, float]
    tolerance_mm: float

    @classmethod
    def drawn(cls, seed: int) -> "MaskCase":
        generator = np.random.default_rng([seed, 5])
        shape = tuple(generator.integers(4, 12, 3).tolist())
        truth = a_blob(generator, shape, generator.uniform(0.05, 0.5))
        other = a_blob(generator, shape, generator.uniform(0.05, 0.5))
        near = truth ^ a_blob(generator, shape, 0.03)
        spacing = tuple(generator.uniform(0.3, 4, 3).tolist())
        return cls(
            near if seed % 3 == 0 else other,
            truth,
            (spacing[0], spacing[1], spacing[2]),
            float(generator.uniform(0.2, 5)),
        )

    def measures(self):
        named = {"s": SegmentClass(value=1, tolerance_mm=self.tolerance_mm)}
        grid = a_grid(self.truth.shape, self.spacing_mm)
        return measure_masks(self.pred * 1, self.truth * 1, grid, named)["s"]

    def flat(self, score: Callable[..., float]) -> float:
        return float(score(self.truth.ravel(), self.pred.ravel()))

    def surfaces(self) -> tuple[float, float, float]:
        """HD95, NSD and ASSD of DeepMind's package."""
        import surface_distance as oracle  # warns at every use

        found = oracle.compute_surface_distances(self.truth, self.pred, self.spacing_mm)
        areas = [found[f"surfel_areas_{side}"] for side in ("gt", "pred")]
        ways = [found[f"distances_{w}"] for w in ("gt_to_pred", "pred_to_gt")]
        total = sum(float((a * d).sum()) for a, d in zip(areas, ways, strict=True))
        return (
            oracle.compute_robust_hausdorff(found, 95 - 1e-9),  # a share of just 0.95
            oracle.compute_surface_dice_at_tolerance(found, self.tolerance_mm),
            total / sum(float(a.sum()) for a in areas),
        )


def table(rows: list[Compared]) -> Iterator[str]:
    yield "| figure | oracle | cases | largest difference | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        right = "told apart" if row.wrong else "equal"
        verdict = right if row.passed else "**WRONG**"
        cells = [f"`{row.figure}`", row.oracle, str(len(row.pairs))]
        yield f"| {' | '.join([*cells, f'{row.difference:.1e}', verdict])} |"


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=100)
    parser.add_argument("--masks", type=int, default=200)
    asked = parser.parse_args()
    rows = [
        *classes(asked.studies),
        *grades(asked.studies),
        *spreads(asked.studies),
        *masks(asked.masks),
    ]
    for line in table(sorted(rows, key=lambda row: row.wrong)):
        print(line)
    n = sum(len(row.pairs) for row in rows if not row.wrong)
    print(f"{n:,} comparisons of {sum(not r.wrong for r in rows)} figures")
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
