"""Scores of segmentations: matching (AP, F1, PQ), leaf scores (SBD, FBD, DiC), COCO AP, AP^r, average recall."""

from napari_instseg.core.labels import UNKNOWN
from napari_instseg.metrics.coco import COCO_THRESHOLDS, ap_r, average_recall, coco_ap
from napari_instseg.metrics.evaluation import THRESHOLDS, Evaluation, ImageScores, Scores, evaluate_labels
from napari_instseg.metrics.leaves import dic, fbd, sbd
from napari_instseg.metrics.matching import Counts, count, match
from napari_instseg.metrics.overlap_table import Overlap, overlap
from napari_instseg.metrics.partial import overlap_known, settle_unknown
from napari_instseg.metrics.rand import adjusted_rand_index
from napari_instseg.metrics.scored_masks import Detections, detections

__all__ = [
    "COCO_THRESHOLDS",
    "THRESHOLDS",
    "UNKNOWN",
    "Counts",
    "Detections",
    "Evaluation",
    "ImageScores",
    "Overlap",
    "Scores",
    "adjusted_rand_index",
    "ap_r",
    "average_recall",
    "coco_ap",
    "count",
    "detections",
    "dic",
    "evaluate_labels",
    "fbd",
    "match",
    "overlap",
    "overlap_known",
    "sbd",
    "settle_unknown",
]
