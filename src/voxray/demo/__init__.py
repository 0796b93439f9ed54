"""The embedded cohort: invented patients grown from real anatomy, as DICOM.

A demonstration. Figures on it say nothing about patients.
"""

from voxray.demo.cohort import CohortPaths, make_cohort

__all__ = ["CohortPaths", "make_cohort"]
