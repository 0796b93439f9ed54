"""What came back from the registry, asked about real scans before it counts."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from voxray.core.decision import calibrate
from voxray.core.errors import MachineError, ManifestError, ScanError
from voxray.core.files import read_json
from voxray.core.records import ExamId, PatientId, ScanId, ScanSource
from voxray.core.specs import FoldValues, ModelPackage
from voxray.model import (
    Compute,
    Member,
    choose_compute,
    load_model,
    load_network,
    predict_ensemble,
)
from voxray.preprocess import clean, labels_on_source
from voxray.scan_io import read_label_map
from voxray.score import FoundExam, Scorer, score_exam
from voxray.stages.frame import StageContext
from voxray.stages.study import Study, read_scan_sources
from voxray.stages.targets import class_name
from voxray.stages.train import VALUES_FILE
from voxray.train import NETWORK_FILE

_MOST_EXAMS = 3
_CLOSE = 1e-3
"""Of a probability, and of the share of voxels that differ: two runs of one network on
a graphics card differ less."""


@dataclass(frozen=True, slots=True, eq=False)
class ReadBack:
    """Compares a registered model with what was trained, scan by scan.

    Attributes:
        context: Of stage 6.
        study: Its exams.
        package: As it was written.
    """

    context: StageContext
    study: Study
    package: ModelPackage

    def compare(self, folder: Path) -> str:
        """Score some exams from their files with the model that came back.

        The answer of the trained networks to the prepared arrays must be the same.

        Args:
            folder: Model folder that was read from the registry.

        Returns:
            In words, with the largest difference; "" when the scans are gone.

        Raises:
            MachineError: If an answer differs.
        """
        exams = self._chosen()
        records = [r for exam in exams for r in self.study.exams[exam].values()]
        try:
            sources = read_scan_sources(self.context, records)
            gaps = self._gaps(folder, exams, sources)
        except (ManifestError, ScanError) as error:
            self.context.say(f"registered, but not compared on scans: {error}")
            return ""
        for exam, gap in gaps.items():
            if gap > _CLOSE:
                msg = (
                    f"the registered model answers exam {exam!r} otherwise than the "
                    f"trained networks, by {gap:.2g}; run stage 6 again"
                )
                raise MachineError(msg)
        worst = max(gaps.values(), default=0.0)
        return f"{len(exams)} exams scored from their files, largest gap {worst:.1e}"

    def _gaps(
        self,
        folder: Path,
        exams: Sequence[ExamId],
        sources: Mapping[ScanId, ScanSource],
    ) -> dict[ExamId, float]:
        compute = choose_compute(self.context.experiment.train.device)
        members = self._trained(compute)
        with tempfile.TemporaryDirectory() as temporary:
            model = load_model(folder, compute)
            scorer = Scorer(model, compute, self.package.name, Path(temporary))
            return {exam: self._gap(exam, sources, members, scorer) for exam in exams}

    def _chosen(self) -> list[ExamId]:
        """The first exam of each class in turn; without classes the first exams."""
        study, classify = self.study, self.context.experiment.task.classify
        everyone = (study.patients(name).held_out for name in study.folds())
        in_folds = study.exams_of(frozenset[PatientId]().union(*everyone))
        by_class: dict[str | None, list[ExamId]] = {}
        for exam in in_folds:
            name = class_name(study.record(exam), classify)
            by_class.setdefault(name, []).append(exam)
        ranked = [(n, exam) for own in by_class.values() for n, exam in enumerate(own)]
        return [exam for _, exam in sorted(ranked)[:_MOST_EXAMS]]

    def _trained(self, compute: Compute) -> list[Member]:
        members: list[Member] = []
        for name in self.study.registered_folds():
            trained = self.context.folder / "train" / name.folder
            values = FoldValues.model_validate(read_json(trained / VALUES_FILE))
            network = load_network(trained / NETWORK_FILE, self.study.plan, compute)
            members.append((network, values))
        return members

    def _gap(
        self,
        exam: ExamId,
        sources: Mapping[ScanId, ScanSource],
        members: Sequence[Member],
        scorer: Scorer,
    ) -> float:
        """Largest difference of a probability, or share of voxels that differ."""
        plan, scans = self.study.plan, self.study.exams[exam]
        found = FoundExam({c: (r, sources[r.scan_id]) for c, r in scans.items()})
        row, *_ = score_exam(found, scorer)
        cached, record = self.study.cached[exam], self.study.record(exam)
        image = np.asarray(cached.read_image())
        said, _ = predict_ensemble(members, image, plan, scorer.compute)
        gap = 0.0
        if said.classes is not None:
            given = dict(zip(plan.classes, map(float, said.classes), strict=True))
            rule = self.package.decision
            wanted = calibrate(given, rule) if rule else given
            gaps = [abs(row.probabilities[name] - p) for name, p in wanted.items()]
            gap = max(gaps)
        if said.masks is not None and row.mask is not None:
            labels = labels_on_source(said.masks, cached.grid, record.grid, plan)
            labels = clean(labels, record.grid, plan, self.package.clean_up)
            there = read_label_map(scorer.out / row.mask, record.scan_id).voxels
            gap = max(gap, _differing(labels, there))
        return gap


def _differing(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Voxels that differ, as a share of those that either marks."""
    marked = max(int(((one > 0) | (other > 0)).sum()), 1)
    return float((one != other).sum() / marked)
