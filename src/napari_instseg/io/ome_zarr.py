"""OME-Zarr 0.4 and 0.5: images, plates and labels, in a folder, a zip or at a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_instseg.core.errors import InputError, OutputError
from napari_instseg.io.sources import ImageSource, Location, stem_of

AXIS_TYPES = {"T": "time", "C": "channel"}


def open_group(path: str, group: str = "") -> Any:
    """Open a zarr group or array for reading.

    Raises
    ------
    InputError
        If there is none.
    """
    import zarr

    local = path.removeprefix("file://")
    try:
        store: Any = local
        if "://" in local:
            store = zarr.storage.FsspecStore.from_url(local, read_only=True)
        elif Path(local).is_file():
            store = zarr.storage.ZipStore(Path(local), mode="r", read_only=True)
        elif not Path(local).exists():
            raise InputError(f"There is no '{path}'. Check the name and the folder.")
        return zarr.open(store, path=group or None, mode="r")
    except InputError:
        raise
    except ImportError as error:
        raise InputError(f"'{path}' cannot be opened: {error}. Install what fsspec needs for it.") from None
    except Exception as error:  # stores raise whatever occurs to them
        detail = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"'{path}{'/' + group if group else ''}' is no OME-Zarr that can be opened: {detail}. Check the path."
        ) from error


def attributes(node: Any) -> tuple[dict[str, Any], str]:
    """Return what a group says as OME-Zarr, and the version; both empty where it says nothing."""
    values = dict(node.attrs)
    ome = values.get("ome")
    if isinstance(ome, dict):
        return ome, str(ome.get("version", "0.5"))
    for key in ("multiscales", "plate", "well"):
        said = values.get(key)
        if said:
            first = said[0] if isinstance(said, list) else said
            return values, str(first.get("version", "0.4")) if isinstance(first, dict) else "0.4"
    return (values, "0.4") if "labels" in values else ({}, "")


def find_images(path: str, well: str | None = None) -> list[Location]:
    """Find the images of a store: all fields of a plate, or the one image; see `sources.find_places`."""
    root = open_group(path)
    said, _ = attributes(root)
    plate = said.get("plate")
    if not isinstance(plate, dict):
        if well:
            raise InputError(f"'{path}' is no plate, so it has no well {well}. Leave --well out.")
        return [Location(path)]
    wells = [str(one.get("path", "")) for one in plate.get("wells", []) if isinstance(one, dict)]
    if well is not None:
        chosen = [one for one in wells if _same_well(one, well)]
        if not chosen:
            names = ", ".join(well_name(one) for one in wells[:12])
            raise InputError(f"The plate '{path}' has no well {well}; it has {names}{', ...' * (len(wells) > 12)}.")
        wells = chosen
    found = []
    for one in wells:
        try:
            fields, _ = attributes(open_group(path, one))
        except InputError:
            continue  # a well that the plate lists and nobody imaged
        images = fields.get("well", {}).get("images", []) if isinstance(fields.get("well"), dict) else []
        found += [
            Location(path, f"{one}/{image['path']}", well_name(one), str(image["path"]))
            for image in images
            if isinstance(image, dict) and "path" in image
        ]
    if not found:
        raise InputError(f"The plate '{path}' has no image in {'well ' + well if well else 'any well'}.")
    return found


def well_name(path: str) -> str:
    """Return the name of a well by its path: B/3 and B/03 are B03."""
    row, _, column = path.partition("/")
    return f"{row}{int(column):02d}" if column.isdigit() else f"{row}{column}"


def _same_well(path: str, asked: str) -> bool:
    match = re.fullmatch(r"([A-Za-z]+)[/ _-]?0*(\d+)", asked.strip())
    wanted = f"{match[1].upper()}{int(match[2]):02d}" if match else asked
    return well_name(path).upper() == wanted.upper()


def open_image(place: Location) -> ImageSource:
    """Open an image of a store; metadata that cannot be so are left out, and noted.

    Raises
    ------
    InputError
        If there is no image, an array is missing, or its axes are not those of its dimensions.
    """
    import zarr

    node = open_group(place.path, place.group)
    name = stem_of(place.path)
    if isinstance(node, zarr.Array):
        from napari_instseg.io.sources import from_array

        return replace(from_array(node, name=name), place=place)
    said, version = attributes(node)
    multiscales = said.get("multiscales")
    if not isinstance(multiscales, list) or not multiscales or not isinstance(multiscales[0], dict):
        raise InputError(f"'{place}' holds no OME-Zarr image: its group has no 'multiscales'. Give the image's group.")
    first, notes = multiscales[0], []
    paths = [str(one.get("path", "")) for one in first.get("datasets", []) if isinstance(one, dict)]
    levels, kept = [], []
    for number, path in enumerate(paths):
        try:
            array = node[path]
            assert isinstance(array, zarr.Array)
        except Exception as error:  # missing, or its metadata are broken
            if number == 0:
                raise InputError(
                    f"'{place}' says that its pixels are in '{path}', where there is no array that can be opened "
                    f"({error or type(error).__name__}). Copy the image again."
                ) from None
            notes.append(f"level {number} ('{path}') cannot be opened and is left out")
            continue
        levels.append(array)
        kept.append(number)
    if not levels:
        raise InputError(f"'{place}' lists no array. Copy the image again.")
    axes, units = _axes(first, levels[0].ndim, place)
    good = [0]
    for number in range(1, len(levels)):
        last, this = levels[good[-1]].shape, levels[number].shape
        if len(this) != len(last) or any(a > b for a, b in zip(this, last, strict=True)) or this == last:
            notes.append(f"level {kept[number]} has the shape {this}, which is no smaller {last}; it is left out")
        else:
            good.append(number)
    moves = [_transformations(first, kept[number], axes) for number in good]
    sized = [levels[number] for number in good]
    notes += _lies(sized, moves, axes)
    names = [str(one.get("label", "")) for one in _channels(said)]
    return ImageSource(
        name,
        axes,
        sized,
        [scale for scale, _ in moves],
        [translation for _, translation in moves],
        units,
        "0.5" if version.startswith("0.5") else "0.4",
        place,
        names,
        notes,
    )


def _channels(said: Mapping[str, Any]) -> list[dict[str, Any]]:
    omero = said.get("omero")
    channels = omero.get("channels") if isinstance(omero, dict) else None
    return [one for one in channels if isinstance(one, dict)] if isinstance(channels, list) else []


def _axes(multiscale: Mapping[str, Any], ndim: int, place: Location) -> tuple[str, dict[str, str]]:
    from napari_instseg.data.axes import check_axes

    said = multiscale.get("axes") or []
    letters = "".join(str(one.get("name", "?") if isinstance(one, dict) else one)[:1] for one in said).upper()
    if not letters:
        letters = "TCZYX"[-ndim:]
    try:
        axes = check_axes(letters, ndim)
    except InputError as error:
        raise InputError(f"'{place}': {error} Its metadata and its arrays disagree; say --axes.") from None
    units = {
        letter: str(one["unit"])
        for letter, one in zip(axes, said, strict=False)
        if isinstance(one, dict) and one.get("unit")
    }
    return axes, units


def _transformations(
    multiscale: Mapping[str, Any], number: int, axes: str
) -> tuple[dict[str, float], dict[str, float]]:
    scale = dict.fromkeys(axes, 1.0)
    translation = dict.fromkeys(axes, 0.0)
    own = multiscale["datasets"][number].get("coordinateTransformations") or []
    for one in [*own, *(multiscale.get("coordinateTransformations") or [])]:
        kind = one.get("type") if isinstance(one, dict) else None
        values = one.get(kind) if kind in ("scale", "translation") else None
        if not isinstance(values, list) or len(values) != len(axes):
            continue
        for letter, value in zip(axes, values, strict=True):
            if kind == "scale":
                scale[letter] *= float(value)
                translation[letter] *= float(value)
            else:
                translation[letter] += float(value)
    return scale, translation


def _lies(levels: Sequence[Any], moves: Sequence[tuple[dict[str, float], Any]], axes: str) -> list[str]:
    """Say where scales of levels are not those of their shapes, by more than rounding."""
    notes = []
    for number in range(1, len(levels)):
        for letter in "YX":
            at = axes.index(letter)
            by_shape = levels[0].shape[at] / levels[number].shape[at]
            by_scale = moves[number][0][letter] / moves[0][0][letter] if moves[0][0][letter] else 0.0
            if by_scale and not 0.8 < by_shape / by_scale < 1.25:
                notes.append(f"level {number} is {by_shape:.3g} times smaller along {letter}, not {by_scale:.3g} times")
                moves[number][0][letter] = moves[0][0][letter] * by_shape
    return notes


def open_for_writing(path: str | Path, version: str) -> Any:
    """Open a group for writing; it is made if missing.

    Raises
    ------
    OutputError
        If it cannot be written, or is of another version.
    """
    import zarr

    try:
        return zarr.open_group(str(path), mode="a", zarr_format=2 if version == "0.4" else 3)
    except Exception as error:
        raise OutputError(
            f"Cannot write '{path}': {str(error) or type(error).__name__}. Choose another folder that you may write to."
        ) from error


def say(group: Any, version: str, values: Mapping[str, Any]) -> None:
    """Write what a group is, where the version wants it."""
    if version == "0.4":
        group.attrs.update(values)
        return
    known = dict(group.attrs.get("ome", {}))
    group.attrs["ome"] = {**known, "version": version, **values}


def multiscale(
    name: str,
    axes: str,
    units: Mapping[str, str],
    paths: Sequence[str],
    scale: Sequence[Mapping[str, float]],
    translation: Mapping[str, float],
    version: str,
    kind: str = "",
) -> list[dict[str, Any]]:
    """Describe a pyramid as OME-Zarr has it, in `multiscales`."""
    listed = []
    for letter in axes:
        axis = {"name": letter.lower(), "type": AXIS_TYPES.get(letter, "space")}
        if letter in units and letter != "C":
            axis["unit"] = units[letter]
        listed.append(axis)
    moved = [float(translation.get(letter, 0.0)) for letter in axes]
    datasets = []
    for path, sizes in zip(paths, scale, strict=True):
        steps: list[dict[str, Any]] = [{"type": "scale", "scale": [float(sizes.get(letter, 1.0)) for letter in axes]}]
        if any(moved):
            steps.append({"type": "translation", "translation": moved})
        datasets.append({"path": path, "coordinateTransformations": steps})
    found: dict[str, Any] = {"name": name, "axes": listed, "datasets": datasets}
    if kind:
        found["type"] = kind
    if version == "0.4":
        found["version"] = version
    return [found]


def create_array(
    group: Any, path: str, axes: str, shape: Sequence[int], chunks: Sequence[int], dtype: Any, version: str
) -> Any:
    """Make an array in a group, compressed, with ``/`` between the numbers of a chunk; an older one is replaced."""
    from zarr.codecs import ZstdCodec

    how: dict[str, Any] = {"compressors": ZstdCodec(level=3)}
    if version == "0.4":
        import numcodecs

        how = {
            "compressors": numcodecs.Blosc("zstd", clevel=3),
            "chunk_key_encoding": {"name": "v2", "separator": "/"},
        }
    return group.create_array(
        path,
        shape=tuple(shape),
        chunks=tuple(min(a, max(b, 1)) for a, b in zip(chunks, shape, strict=True)),
        dtype=np.dtype(dtype),
        fill_value=0,
        overwrite=True,
        **how,
        **({} if version == "0.4" else {"dimension_names": list(axes.lower())}),
    )
