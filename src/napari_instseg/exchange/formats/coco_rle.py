"""COCO with run lengths for every object, exact to the pixel in every reader."""

from functools import partial

from napari_instseg.exchange.coco import read_coco, write_coco
from napari_instseg.exchange.format import Format

FORMAT = Format(
    name="coco-rle",
    title="COCO JSON with run lengths",
    ending="_coco_rle.json",
    write=partial(write_coco, polygons=False),
    read=read_coco,
)
