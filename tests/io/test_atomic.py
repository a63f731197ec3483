"""A file is there whole or not at all, and why it is not is said in words."""

import errno
import os
import stat
import subprocess
import sys

import pandas as pd
import pytest

from napari_instseg.core.errors import OutputError
from napari_instseg.io import atomic
from napari_instseg.io.atomic import make_folder, replacing, replacing_all, write_bytes
from napari_instseg.io.tables import write_table


def fail_while_writing(path, error):
    with replacing(path) as beside:
        beside.write_bytes(b"half of it")
        raise error


def write_to_full_disk(path):
    with replacing(path) as beside:
        beside.unlink()
        beside.symlink_to("/dev/full")
        beside.write_bytes(b"x")


def test_folders_are_made_and_older_files_replaced(tmp_path):
    path = tmp_path / "a b" / "é" / "file.bin"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = write_bytes(tmp_path / "file.bin", b"old")
    with pytest.raises(ZeroDivisionError):
        fail_while_writing(path, ZeroDivisionError())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_new_file_is_complete_before_it_takes_the_name(tmp_path, monkeypatch):
    seen = []
    move = os.replace

    def watch(source, target):
        seen.append((source.read_bytes(), target.read_bytes(), source.parent == target.parent, source.suffix))
        move(source, target)

    path = write_bytes(tmp_path / "file.bin", b"old")
    monkeypatch.setattr(atomic.os, "replace", watch)
    write_bytes(path, b"new")
    assert seen == [(b"new", b"old", True, ".bin")]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "no permission"),
        (errno.EROFS, "no permission"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EIO, os.strerror(errno.EIO)),
    ],
)
def test_errors_in_words(tmp_path, number, words):
    path = write_bytes(tmp_path / "file.bin", b"old")
    with pytest.raises(OutputError) as caught:
        fail_while_writing(path, OSError(number, os.strerror(number)))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's disk that is always full")
def test_a_full_disk(tmp_path):
    with pytest.raises(OutputError, match="the disk is full"):
        write_to_full_disk(tmp_path / "file.bin")
    assert not list(tmp_path.iterdir())


def test_a_file_where_a_folder_is_needed(tmp_path):
    write_bytes(tmp_path / "taken", b"")
    with pytest.raises(OutputError, match="a file is where a folder is needed"):
        make_folder(tmp_path / "taken" / "below")
    with pytest.raises(OutputError, match="a file is where a folder is needed"):
        write_bytes(tmp_path / "taken" / "file.bin", b"")
    with pytest.raises(OutputError):
        write_bytes(tmp_path, b"")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no umask")
def test_permissions_are_those_of_any_new_file(tmp_path):
    write = "from napari_instseg.io.atomic import write_bytes; write_bytes(sys.argv[1], b'')"
    code = f"import os, sys; os.umask(0o027); {write}"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_table(tmp_path):
    table = pd.DataFrame({"label": [1, 2], "score": [0.123456789, 1.0], "class": ["größer, älter", None]})
    path = write_table(tmp_path / "tables" / "a.csv", table)
    assert path.read_bytes().decode("utf-8") == 'label,score,class\n1,0.123457,"größer, älter"\n2,1,\n'
    assert list(path.parent.iterdir()) == [path]


def test_files_that_belong_together_all_appear_or_none_does(tmp_path):
    paths = [tmp_path / kind / f"a.{kind}" for kind in ("csv", "png", "tif")]
    with replacing_all(*paths) as beside:
        for number, path in enumerate(beside):
            write_bytes(path, bytes([number]))
        assert not any(path.exists() for path in paths)
    assert [path.read_bytes() for path in paths] == [b"\0", b"\1", b"\2"]
    new = [path.with_stem("b") for path in paths]
    new[2].mkdir()

    def write():
        with replacing_all(*new) as beside:
            for path in beside:
                write_bytes(path, b"x")

    with pytest.raises(OutputError, match=r"b\.tif"):
        write()
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == ["a.csv", "a.png", "a.tif", "b.tif"]


def test_what_fails_on_the_way_leaves_the_older_files(tmp_path):
    paths = [tmp_path / name for name in ("a.csv", "a.tif")]
    write_bytes(paths[0], b"old")

    def write():
        with replacing_all(*paths) as beside:
            write_bytes(beside[0], b"new")
            beside[1].mkdir()
            write_bytes(beside[1], b"new")

    with pytest.raises(OutputError, match=r"a\.tif"):
        write()
    assert paths[0].read_bytes() == b"old"
    assert not paths[1].exists()
