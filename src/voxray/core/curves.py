"""Curves and tables that are computed in one place and drawn in another."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PrecisionRecallCurve:
    """Precision against recall of one fold's held-out exams, as steps.

    Attributes:
        repeat: Of the fold.
        fold: Held-out part.
        recall: Rising to 1, one per distinct score; ends at 1.
        precision: At each `recall`.
        prevalence: Share of positive exams: the precision of a random order.
    """

    repeat: int
    fold: int
    recall: tuple[float, ...]
    precision: tuple[float, ...]
    prevalence: float


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Exams of similar probability, and how many of them are positive.

    Attributes:
        mean_score: Mean probability in the bin.
        share: Share of positive exams in it.
        low: Lower end of the share's interval; None with too few patients.
        high: Upper end.
        n_patients: Patients with an exam in the bin.
        n_exams: Exams in the bin.
    """

    mean_score: float
    share: float
    low: float | None
    high: float | None
    n_patients: int
    n_exams: int


@dataclass(frozen=True, slots=True)
class BenefitCurve:
    """Net benefit of acting on a probability (Vickers & Elkin 2006).

    Attributes:
        threshold: Probabilities from which on a person would act.
        benefit: True positives less weighted false positives, per exam.
        low: Lower end of the pointwise interval by patients.
        high: Upper end.
        treat_all: Net benefit of acting on everyone; that of acting on nobody is 0.
        prevalence: Share of positive exams.
    """

    threshold: tuple[float, ...]
    benefit: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    treat_all: tuple[float, ...]
    prevalence: float


@dataclass(frozen=True, slots=True)
class RiskCoverageCurve:
    """Share of wrong decisions when only the most certain exams are decided.

    Attributes:
        coverage: Share of exams that are decided, rising to 1.
        risk: Share of wrong decisions among them.
        low: Lower end of the pointwise interval by patients; None with too few.
        high: Upper end.
    """

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    low: tuple[float | None, ...]
    high: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ConfusionTable:
    """How often each true class was decided to be which.

    Attributes:
        classes: Names, in order of rows and columns.
        exams: (true class, decided class) exams; fractions where repeats disagree.
        how: Who decides, in words.
    """

    classes: tuple[str, ...]
    exams: tuple[tuple[float, ...], ...]
    how: str
