"""DICOM masks with a word in every place that can name a person."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from tests.mask_makers import a_seg, a_structure_set, square


def a_telling_seg(
    slices: Sequence[Dataset], block: NDArray[np.bool_], tokens: Mapping[str, str]
) -> Dataset:
    """A binary SEG of the class "lesion", which is where `block` (i, j, k) says."""
    drawn = a_seg(
        slices,
        block.transpose(2, 1, 0).astype(np.uint8),
        content_creator_name=f"{tokens['segmentation creator']}^A",
        series_description=tokens["segmentation series"],
        omit_empty_frames=False,
    )
    drawn.SegmentSequence[0].SegmentDescription = tokens["segment description"]
    return drawn


def a_telling_structure_set(
    slices: Sequence[Dataset], affine: NDArray[np.float64], tokens: Mapping[str, str]
) -> Dataset:
    """A square "lesion" on a middle slice, and a region with a telling name."""
    contour = square((4.5, 5.5), (9.5, 11.5), 6, affine)
    structures = {"lesion": [contour], tokens["region name"]: [contour]}
    drawn = a_structure_set(slices[0], structures, images=slices)
    drawn.StructureSetLabel = tokens["structure set label"]
    drawn.OperatorsName = tokens["operator"]
    interpreted = Dataset()
    interpreted.ObservationNumber = interpreted.ReferencedROINumber = 1
    interpreted.ROIInterpreter = tokens["region observer"]
    drawn.RTROIObservationsSequence = [interpreted]
    return drawn
