"""The user's folders, also where no home is known: a container with a user of no name, a service."""

from __future__ import annotations

import tempfile
from pathlib import Path


def home() -> Path:
    """Return the user's home, or the working folder where none is known."""
    try:
        return Path.home()
    except RuntimeError:
        return Path.cwd()


def settings_folder() -> Path:
    """Return the folder of the user's settings, which need not be there yet; a temporary one where no home is known."""
    from platformdirs import user_config_path

    return _known(user_config_path("napari-instseg", appauthor=False))


def data_folder() -> Path:
    """Return the folder of the user's data, which need not be there yet; a temporary one where no home is known."""
    from platformdirs import user_data_path

    return _known(user_data_path("napari-instseg", appauthor=False))


def _known(folder: Path) -> Path:
    # without a home "~" stays as it is, and would be a folder of that name in the working folder
    return folder if folder.is_absolute() else Path(tempfile.gettempdir()) / "napari-instseg"
