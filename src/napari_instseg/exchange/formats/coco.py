"""COCO with polygons where an object has no hole, else run lengths."""

from functools import partial

from napari_instseg.exchange.coco import is_coco, read_coco, write_coco
from napari_instseg.exchange.format import Format

FORMAT = Format(
    name="coco",
    title="COCO JSON (Detectron2, MMDetection, CVAT)",
    ending="_coco.json",
    write=partial(write_coco, polygons=True),
    read=read_coco,
    suffixes=(".json",),
    recognise=is_coco,
)
