"""NPY files that hold a pickled dictionary, read without pickle's power to call functions.

Arrays, numbers, text, lists, tuples, sets and dicts are built; anything else is refused by name. Bytes of arrays are
checked here and turned into numbers here: numpy's own way of unpickling is not called.
"""

from __future__ import annotations

import io
import pickle
import re
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from napari_instseg.core.errors import InputError

DEEPEST = 50
MOST = 1_000_000
"""Values in lists and dicts, so that lists that hold each other many times do not fill the memory."""

_TYPE = re.compile(r"[<>=|]?([?bBiufcSU]\d*|O8?)")


class Refused(pickle.UnpicklingError):
    """Something that is not plain data."""


class _Type:
    """Stands for a numpy.dtype while it is unpickled."""

    def __init__(self, text: Any = "", *_: Any) -> None:
        if isinstance(text, bytes):
            text = text.decode("ascii", "replace")
        if not isinstance(text, str) or not _TYPE.fullmatch(text):
            raise Refused(f"an array of the type {str(text)[:40]!r}")
        self.text = text

    def __setstate__(self, state: Any) -> None:
        order = state[1] if isinstance(state, tuple) and len(state) > 4 else None
        if order not in ("<", ">", "=", "|") or state[3] is not None or state[4] is not None:
            raise Refused("an array with named fields")
        self.text = order + self.text.lstrip("<>=|")

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.text)


class _Array:
    """Stands for a numpy.ndarray while it is unpickled."""

    value: np.ndarray[Any, Any] | list[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array that is damaged")
        _, shape, kind, fortran, content = state
        self.value = _array(shape, kind, content, "F" if fortran else "C")


def _array(shape: Any, kind: Any, content: Any, order: str) -> np.ndarray[Any, Any] | list[Any]:
    sizes = shape if isinstance(shape, tuple) else (shape,)
    if not isinstance(kind, _Type) or not all(isinstance(size, int) and size >= 0 for size in sizes):
        raise Refused("an array that is damaged")
    if kind.dtype.kind == "O":
        if not isinstance(content, list) or len(content) != prod(sizes):
            raise Refused("an array of objects that is damaged")
        return content
    if not isinstance(content, bytes | bytearray) or len(content) != prod(sizes) * kind.dtype.itemsize:
        raise Refused("an array that is shorter or longer than it says")
    flat = np.frombuffer(bytes(content), kind.dtype)
    return flat.reshape(sizes, order="F" if order == "F" else "C").copy()


def _reconstruct(*_: Any) -> _Array:
    return _Array()


def _from_buffer(content: Any, kind: Any, shape: Any, order: Any = "C", *_: Any) -> Any:
    return _array(shape, kind, content, str(order))


def _scalar(kind: Any, content: Any = b"") -> Any:
    found = _array((1,), kind, content, "C")
    return found[0].item() if isinstance(found, np.ndarray) else found[0]


def _encode(text: Any, codec: Any = "latin1") -> bytes:
    if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
        raise Refused("text in a strange code")
    return text.encode("latin1")


_CORE = ("numpy.core.multiarray", "numpy._core.multiarray")
_KNOWN: dict[tuple[str, str], Any] = {
    **{(module, "_reconstruct"): _reconstruct for module in _CORE},
    **{(module, "scalar"): _scalar for module in _CORE},
    ("numpy.core.numeric", "_frombuffer"): _from_buffer,
    ("numpy._core.numeric", "_frombuffer"): _from_buffer,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Type,
    ("_codecs", "encode"): _encode,
    **{(module, kind.__name__): kind for module in ("builtins", "__builtin__") for kind in (set, frozenset, complex)},
    ("collections", "OrderedDict"): dict,
}


class _Reader(pickle._Unpickler):  # the one in Python: the compiled one reserves as much memory as a few bytes ask for
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: bytes) -> None:
        self.read: Callable[[int], bytes]  # given by `load`
        self.append: Callable[[Any], None]
        super().__init__(io.BytesIO(content))
        self.most = len(content)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise Refused(f"a Python object, {module[:60]}.{name[:60]}")
        return _KNOWN[module, name]

    def _read_byte_array(self) -> None:
        # as bytes: the way of pickle reserves the memory first, however little of it the file can fill
        (length,) = struct.unpack("<Q", self.read(8))
        if length > self.most:
            raise Refused("an array that is longer than the file")
        self.append(self.read(length))

    def _refuse(self) -> None:
        raise Refused("a value of a kind that such files do not have")


_Reader.dispatch[pickle.BYTEARRAY8[0]] = _Reader._read_byte_array
for _code in (pickle.NEXT_BUFFER, pickle.READONLY_BUFFER, pickle.PERSID, pickle.BINPERSID):
    _Reader.dispatch[_code[0]] = _Reader._refuse
for _code in (pickle.EXT1, pickle.EXT2, pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ_EX):
    _Reader.dispatch[_code[0]] = _Reader._refuse


def read_dictionary(path: Path) -> dict[str, Any]:
    """Read an NPY file that holds one dictionary.

    Returns
    -------
    dict
        Of arrays, numbers, text, None, lists, tuples and dicts.

    Raises
    ------
    InputError
        If it is no such file, is damaged, or holds anything else.
    """
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader: Callable[..., Any] = (
                np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            )
            shape, _, dtype = reader(file)
            if dtype != np.dtype(object) or shape not in ((), (1,)):
                raise Refused(f"an array of {dtype}, shape {shape}, not a dictionary")
            content = file.read()
        value = _Plain().of(_Reader(content).load())
    except OSError as error:
        raise InputError(f"'{path}' cannot be opened: {error.strerror}. Choose a file that you may read.") from None
    except Refused as error:
        raise InputError(
            f"'{path}' holds {error}; expected arrays, numbers, text, lists and dicts. Other things in such a file "
            "could run code, so it is not opened. Save it again in Cellpose, or export the masks as TIFF."
        ) from None
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        AttributeError,
        EOFError,
        MemoryError,
        OverflowError,
        RecursionError,
        struct.error,
        pickle.UnpicklingError,
    ) as error:
        detail = str(error).rstrip(".") or type(error).__name__
        raise InputError(f"'{path}' is no _seg.npy, or is damaged ({detail}). Save it again.") from None
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        raise InputError(f"'{path}' holds a {type(value).__name__}, not the dictionary of a _seg.npy.")
    return value


class _Plain:
    """Puts arrays in the places of what stands for them."""

    def __init__(self) -> None:
        self._left = MOST

    def of(self, value: Any, depth: int = 0) -> Any:
        self._left -= 1
        if depth > DEEPEST or self._left < 0:
            raise Refused("lists within lists without end")
        if isinstance(value, _Array):
            return self.of(value.value, depth + 1) if isinstance(value.value, list) else value.value
        if isinstance(value, _Type):
            return value.text
        if isinstance(value, dict):
            return {str(key): self.of(item, depth + 1) for key, item in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            items = [self.of(item, depth + 1) for item in value]
            return tuple(items) if isinstance(value, tuple) else items
        if isinstance(value, type) or callable(value):
            raise Refused("a Python class")
        return value
