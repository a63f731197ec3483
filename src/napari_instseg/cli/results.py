"""The results folder: labels, overlays and tables by the image's name, and a record of what made them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_instseg.core.errors import OutputError

if TYPE_CHECKING:
    from napari_instseg.decoding.segmentation import Segmentation
    from napari_instseg.inference.replay import MadeBy
    from napari_instseg.io.images import Image
    from napari_instseg.io.stamps import Stamp

RECORD = "segment.json"
"""In the results folder: model, parameters and, of each image, where it lies and what was found."""


@dataclass(frozen=True)
class Files:
    """Where the results of one image go."""

    labels: Path
    overlay: Path
    table: Path
    masks: Path
    """Of a method whose objects may overlap: whole objects, as COCO JSON."""


class ResultFiles:
    """A folder of results, which `instseg train` and `instseg evaluate` can read once labels are corrected.

    Parameters
    ----------
    folder : Path
        Made if missing.

    Raises
    ------
    OutputError
        If it cannot be made.
    """

    def __init__(self, folder: Path) -> None:
        from napari_instseg.io.atomic import make_folder

        self.folder = make_folder(folder)
        self._images: dict[str, Any] = {}
        self._made: dict[str, Any] = {}

    def files(self, stem: str) -> Files:
        """Return the paths of the results of the image of that name."""
        folder = self.folder
        return Files(
            folder / "labels" / f"{stem}.tif",
            folder / "overlays" / f"{stem}.png",
            folder / "tables" / f"{stem}.csv",
            folder / "masks" / f"{stem}.json",
        )

    def check_replaceable(self, stem: str, image: Path) -> bool:
        """Say whether there are results of that name, made of this image file and not changed since.

        The label file itself says so by its stamp, also after a run that was killed or beside another one.

        Raises
        ------
        OutputError
            If there are labels that somebody else wrote or corrected, or of another image: they are not thrown away.
        """
        from napari_instseg.io.stamps import Stamp

        path, stamp = self.files(stem).labels, self.check_unchanged(stem, ", or say --overwrite")
        if stamp is None:
            return False
        if stamp.image != Stamp.place(image):
            raise OutputError(
                f"'{path}' has the labels of another image of that name{self._place(stem)}, not of "
                f"'{image.resolve()}', so it is kept. Choose another folder, rename the image, or say --overwrite."
            )
        return True

    def check_unchanged(self, stem: str, otherwise: str = "") -> Stamp | None:
        """Return the stamp of the label file of that name; None where there is no such file.

        Parameters
        ----------
        stem : str
        otherwise : str
            What else the user can do, for the message.

        Raises
        ------
        OutputError
            If somebody else wrote or corrected it.
        """
        from napari_instseg.io.labels import read_stamp

        path = self.files(stem).labels
        stamp = read_stamp(path) if path.exists() else None
        if stamp is None and path.exists():
            raise OutputError(
                f"'{path}' was changed by hand or is not from here, so it is kept. Choose another folder, or move the "
                f"file away{otherwise}."
            )
        return stamp

    def write(
        self,
        stem: str,
        image: Image,
        segmentation: Segmentation,
        about: Mapping[str, Any],
        ndim: int = 2,
        made: MadeBy | None = None,
    ) -> None:
        """Write labels, overlay and table of one image, and note them in the record.

        Where objects may overlap, the whole ones are written too, see `Files.masks`.

        Parameters
        ----------
        stem : str
            Name of the image.
        image : Image
            As it was segmented.
        segmentation : Segmentation
        about : mapping
            JSON-ready, for the record.
        ndim : {2, 3}
            Whether objects are areas or volumes.
        made : MadeBy, optional
            How the labels were made, for the recipe; the label file tells it too, but not where the image lies.

        Raises
        ------
        OutputError
            If a file cannot be written.
        """
        from napari_instseg.io.atomic import replacing_all
        from napari_instseg.io.labels import write_labels
        from napari_instseg.io.overlay import draw_overlay, write_overlay
        from napari_instseg.io.tables import with_size, write_table

        files, axes, place = self.files(stem), segmentation.axes, image.path or Path(stem)
        scale = [image.scale[image.axes.index(letter)] for letter in axes]
        table = with_size(segmentation.table, scale[-ndim:])
        overlay = draw_overlay(image.array, image.axes, segmentation.labels)
        with replacing_all(files.table, files.overlay, files.labels) as (to_table, to_overlay, to_labels):
            write_table(to_table, table)
            write_overlay(to_overlay, overlay)
            write_labels(to_labels, segmentation.labels, axes, scale, found_in=place, made=_shared(made))
        if segmentation.covered is not None:
            from napari_instseg.exchange.coco import write_coco
            from napari_instseg.exchange.objects import Objects

            known = segmentation.table[[name for name in ("label", "class", "score") if name in segmentation.table]]
            whole = Objects(segmentation.labels, stem, None, axes, known, covered=segmentation.covered)
            write_coco(files.masks, whole, polygons=False)
        self._images[stem] = {**about, "path": str(place.resolve())}
        if made is not None:
            self._made[stem] = made.model_dump()

    def write_record(self, values: Mapping[str, Any]) -> None:
        """Write the record, with what other runs wrote into it meanwhile.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        from napari_instseg.cli.console import write_json

        write_json(self.folder / RECORD, {**values, "images": self._recorded() | self._images})
        if self._made:
            from napari_instseg.inference.replay import FILE, FORMAT

            recipes = {"format": FORMAT, "images": self._recorded(FILE) | self._made}
            write_json(self.folder / FILE, recipes)

    def _recorded(self, name: str = RECORD) -> dict[str, Any]:
        """Return what a record on disk says of the images; nothing where it is missing or damaged."""
        try:
            values = json.loads((self.folder / name).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        images = values.get("images") if isinstance(values, dict) else None
        return images if isinstance(images, dict) else {}

    def _place(self, stem: str) -> str:
        """Say where the image lies whose results these are, if the record knows."""
        known = self._recorded().get(stem)
        return f", '{known['path']}'" if isinstance(known, dict) and "path" in known else ""


def _shared(made: MadeBy | None) -> str:
    """Return a recipe as text for a file that may be given away: without the folders of this computer."""
    if made is None:
        return ""
    image = made.image.model_copy(update={"path": ""})
    model = made.model.model_copy(update={"asked": made.model.name})
    # not pydantic's own JSON, which knows no names of files that are not UTF-8
    return json.dumps(made.model_copy(update={"image": image, "model": model}).model_dump())
