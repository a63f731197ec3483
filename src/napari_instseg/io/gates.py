"""The gates through which files of others come in: JSON and npz are read whole, bounded, and checked by pydantic."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Annotated, Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, PlainValidator, ValidationError

LARGEST_JSON = 64 * 2**20
"""Bytes: a file of settings that is larger is none."""
MOST_PROBLEMS = 5
"""So many of the things that are wrong with a file are told."""

Record = TypeVar("Record", bound=BaseModel)


class Unreadable(Exception):
    """A file is not what it should be; the message says how, in few words, for whoever knows what to do about it."""


class Strict(BaseModel):
    """What a file holds: known fields only, which cannot be changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), arbitrary_types_allowed=True)


# JSON


def read_json(path: str | Path) -> Any:
    """Read the values of a JSON file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    Unreadable
        If it cannot be read, is too large, or is not JSON.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(LARGEST_JSON + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a null byte in the path
        raise Unreadable(getattr(error, "strerror", None) or str(error)) from None
    if len(text) > LARGEST_JSON:
        raise Unreadable(f"larger than {LARGEST_JSON >> 20} MiB")
    return parse_json(text)


def parse_json(text: str | bytes) -> Any:
    """Read the values of JSON text.

    Raises
    ------
    Unreadable
        If it is not JSON, or nested too deeply.
    """
    try:
        values = json.loads(text.decode("utf-8-sig") if isinstance(text, bytes) else text)
        # an escape may stand for half a character, which no file, window or terminal takes later
        json.dumps(values, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise Unreadable("brackets nested too deeply") from None
    except ValueError as error:
        raise Unreadable(f"not JSON: {error}") from None
    return values


def read_record(path: str | Path, kind: type[Record]) -> Record:
    """Read a JSON file that holds one record; raises as `read_json` and `check_record` do."""
    return check_record(read_json(path), kind)


def check_record(values: Any, kind: type[Record]) -> Record:
    """Check that JSON values are a record.

    Raises
    ------
    Unreadable
        If a field is missing, unknown or wrong.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise Unreadable(in_words(error)) from None
    except RecursionError:
        raise Unreadable("brackets nested too deeply") from None


def in_words(error: ValidationError) -> str:
    """Say in a line what is wrong with a record."""
    problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}".removeprefix(": ") for e in error.errors()]
    more = len(problems) - MOST_PROBLEMS
    return "; ".join(problems[:MOST_PROBLEMS]) + (f"; and {more} more" if more > 0 else "")


# npz


def read_arrays(path: str | Path, kind: type[Record]) -> Record:
    """Read a file of arrays (npz) that holds one record, each of whose fields is an array.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    Unreadable
        If it is damaged, encrypted, packed in a way that is not known, holds Python objects, or an array is missing,
        unknown or wrong.
    """
    try:
        with Path(path).open("rb") as handle, zipfile.ZipFile(handle) as members:
            found = {info.filename.removesuffix(".npy"): _read_array(members, info) for info in members.infolist()}
    except FileNotFoundError:
        raise
    except MemoryError:
        raise Unreadable("it claims more than fits into memory") from None
    except Unreadable:
        raise
    except Exception as error:  # zip, zlib, bz2, lzma, struct and the tokenizer each have their own
        raise Unreadable(getattr(error, "strerror", None) or str(error) or type(error).__name__) from None
    return check_record(found, kind)


def _read_array(members: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """Read a member, after a look at whether it holds as many bytes as its header claims."""
    with members.open(info) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        claimed, there = dtype.itemsize, info.file_size - file.tell()
        for side in shape:
            claimed *= side
        if dtype.hasobject:
            raise Unreadable(f"'{info.filename}' holds Python objects, which could run code")
        if claimed != there:
            raise Unreadable(f"'{info.filename}' claims {claimed} bytes and has {there}")
    with members.open(info) as file:
        array: npt.NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        return array


def numbers(kinds: str, *ndims: int) -> PlainValidator:
    """Declare, within ``Annotated``, an array of a record.

    Parameters
    ----------
    kinds : str
        NumPy's letters of the number types that it may have: ``"b"`` boolean, ``"u"`` and ``"i"`` integers, ``"f"``
        floating point, ``"U"`` text.
    *ndims : int
        Numbers of axes that it may have; any if none is given.
    """

    def check(value: Any) -> Any:
        if not isinstance(value, np.ndarray):
            raise ValueError("not an array")
        if value.dtype.kind not in kinds or (value.dtype.kind == "f" and value.dtype.itemsize > 8):
            raise ValueError(f"an array of {value.dtype}")
        if ndims and value.ndim not in ndims:
            raise ValueError(f"an array of {value.ndim} axes, not {' or '.join(map(str, ndims))}")
        if not value.dtype.isnative:
            value = value.astype(value.dtype.newbyteorder("="))
        return value

    return PlainValidator(check)


def scalar(kinds: str) -> BeforeValidator:
    """Declare, within ``Annotated``, a value that is stored as an array without axes; see `numbers` for the kinds."""

    def check(value: Any) -> Any:
        if not isinstance(value, np.ndarray) or value.ndim or value.dtype.kind not in kinds:
            raise ValueError("not a single value of the right kind")
        return value.item()

    return BeforeValidator(check)


# names


def _check_name(name: str) -> str:
    _check_path(name)
    if not name.strip() or name in (".", "..") or re.search(r"[/\\:\x00-\x1f]", name) or len(name) > 255:
        raise ValueError(f"{name!r} cannot be the name of a file in the folder")
    return name


def _check_path(path: str) -> str:
    if "\x00" in path:
        raise ValueError(f"{path!r} cannot be a path: it holds a null byte")
    if not path.isascii() and path.encode("utf-8", "replace").decode("utf-8") != path:
        raise ValueError(f"{path!r} cannot be kept: it is not UTF-8")
    return path


FileName = Annotated[str, AfterValidator(_check_name)]
"""A name that stays in its folder: no path, no drive, no way up."""
PathText = Annotated[str, AfterValidator(_check_path)]
"""A path that a system can be asked for."""
