"""Named decode parameters of each model, kept in the user's configuration folder."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from pydantic import RootModel

from napari_instseg.core.errors import InputError
from napari_instseg.core.params import Params
from napari_instseg.io.atomic import write_bytes
from napari_instseg.io.gates import Unreadable, read_record
from napari_instseg.io.home import settings_folder


class _Presets(RootModel[dict[str, dict[str, Any]]]):
    """The values of each preset by its name."""


class Presets:
    """The presets of one model: a JSON file of names and values.

    Parameters
    ----------
    model : str
        The model's name or folder.
    folder : Path, optional
        Where presets are kept; the user's configuration folder if None.
    """

    def __init__(self, model: str, folder: Path | None = None) -> None:
        folder = folder or settings_folder() / "presets"
        # names of different folders may be alike, so a folder's path is told apart by its hash
        stem = re.sub(r"[^\w.-]+", "_", Path(model).name)
        mark = "" if stem == model else "-" + hashlib.sha256(model.encode()).hexdigest()[:8]
        self._path = folder / f"{stem}{mark}.json"

    def read(self) -> dict[str, dict[str, Any]]:
        """Return the values of each preset by name.

        Raises
        ------
        InputError
            If the file is damaged; it is left as it is.
        """
        if not self._path.is_file():
            return {}
        try:
            return read_record(self._path, _Presets).root
        except (FileNotFoundError, Unreadable) as error:
            raise InputError(
                f"The presets in '{self._path}' cannot be read ({error}); expected names with values. Mend or delete "
                "the file."
            ) from None

    def save(self, name: str, parameters: Params) -> None:
        """Keep the values under a name, instead of those that had it.

        Raises
        ------
        InputError
            If the name is empty, or the file damaged.
        OutputError
            If the file cannot be written.
        """
        if not name.strip():
            raise InputError("A preset needs a name; type one first.")
        self._write({**self.read(), name.strip(): parameters.model_dump()})

    def delete(self, name: str) -> None:
        """Forget a preset; one that is not there is no error."""
        self._write({key: values for key, values in self.read().items() if key != name})

    def _write(self, presets: dict[str, dict[str, Any]]) -> None:
        write_bytes(self._path, (json.dumps(presets, indent=2, sort_keys=True) + "\n").encode("utf-8"))
