"""Measurements of the objects of a label image, one row each, in columns that say their unit."""

from napari_instseg.measure.table import GROUPS, measure, measure_stack

__all__ = ["GROUPS", "measure", "measure_stack"]
