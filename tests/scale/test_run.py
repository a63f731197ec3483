"""Images of any size: the same labels whichever way they are made, also when workers die."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import tifffile
import zarr

from napari_instseg.core.errors import InstsegError
from napari_instseg.core.events import Message, Progress, Result
from napari_instseg.inference.model import load_model
from napari_instseg.metrics import evaluate_labels
from napari_instseg.scale.run import merge, segment_large
from napari_instseg.scale.simulate import simulate_plate, simulate_slide

MODEL, SMALL = "discriminative-nuclei", 320


def last(events):
    """Return what an operation returns at its end."""
    return [event for event in events if isinstance(event, Result)][-1].value


@pytest.fixture(scope="module")
def slide(tmp_path_factory):
    path = tmp_path_factory.mktemp("slides") / "slide.zarr"
    last(simulate_slide(path, 640, seed=0, chunk=256))
    return path


@pytest.fixture(scope="module")
def serial(slide, tmp_path_factory):
    """What one process finds, block after block."""
    return last(segment_large(slide, MODEL, tmp_path_factory.mktemp("serial") / "out.zarr", block=SMALL))


def labels_of(outcome, level="0"):
    return np.asarray(zarr.open_group(outcome.store, mode="r")[f"labels/{outcome.labels}/{level}"])


def test_two_processes_find_bit_for_bit_what_one_finds(slide, serial, tmp_path):
    found = last(segment_large(slide, MODEL, tmp_path / "out.zarr", workers=2, block=SMALL))
    np.testing.assert_array_equal(labels_of(found), labels_of(serial))
    assert found.objects == serial.objects > 150
    assert not found.failed
    assert found.blocks == serial.blocks >= 4


def test_parts_of_an_array_job_join_to_the_same(slide, serial, tmp_path):
    store = tmp_path / "out.zarr"
    for part in (2, 0):
        assert last(segment_large(slide, MODEL, store, part=(part, 3), block=SMALL)) is None
    job = next((tmp_path / ".instseg").iterdir())
    missing = last(merge(job))
    assert missing.failed, "a part that was never done is named"
    assert last(segment_large(slide, MODEL, store, part=(1, 3), block=SMALL)) is None
    np.testing.assert_array_equal(labels_of(last(merge(job))), labels_of(serial))


def test_stopped_anywhere_the_same_call_goes_on(slide, serial, tmp_path, monkeypatch):
    from napari_instseg.scale import work

    store = tmp_path / "out.zarr"
    events = segment_large(slide, MODEL, store, block=SMALL)
    for event in events:
        if isinstance(event, Progress) and event.done == 2:
            break
    events.close()
    calls = []
    whole = work.do_block
    monkeypatch.setattr("napari_instseg.scale.run.do_block", lambda *call: calls.append(call) or whole(*call))
    found = last(segment_large(slide, MODEL, store, block=SMALL))
    assert len(calls) == serial.blocks - 2, "whole blocks are not done again"
    np.testing.assert_array_equal(labels_of(found), labels_of(serial))


def test_blocks_find_what_the_image_in_memory_gives(slide, serial):
    image = np.asarray(zarr.open_group(slide, mode="r")["0"])
    whole = load_model(MODEL).segment(image.squeeze()).labels
    report = evaluate_labels([(whole, labels_of(serial))])
    assert report["ap"]["0.5"] > 0.97


def test_tables_and_pyramid_are_of_the_same_objects(serial):
    labels = labels_of(serial)
    table = pd.read_csv(serial.table)
    assert sorted(table["label"]) == np.unique(labels)[1:].tolist()
    assert table.set_index("label")["area"].to_dict() == dict(
        zip(*(part[1:].tolist() for part in np.unique(labels, return_counts=True)), strict=True)
    )
    pd.testing.assert_frame_equal(pd.read_parquet(serial.table.with_suffix(".parquet")), table, check_dtype=False)
    np.testing.assert_array_equal(labels_of(serial, "1"), labels[::2, ::2])


def test_yaozarrs_reads_what_is_written(serial, slide):
    import yaozarrs

    for path in (slide, serial.store):
        yaozarrs.validate_zarr_store(str(path))


def test_a_worker_of_a_dask_cluster_is_killed_and_nothing_is_lost(slide, serial, tmp_path):
    from distributed import Client, LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster, Client(cluster) as client:
        killed = False
        events = []
        for event in segment_large(slide, MODEL, tmp_path / "out.zarr", client, block=SMALL):
            events.append(event)
            if isinstance(event, Progress) and event.done == 1 and not killed:
                killed = True
                os.kill(next(iter(cluster.workers.values())).pid, signal.SIGKILL)
    found = last(events)
    assert killed
    assert not found.failed
    np.testing.assert_array_equal(labels_of(found), labels_of(serial))


def test_the_command_is_killed_and_goes_on(slide, serial, tmp_path):
    command = [sys.executable, "-m", "napari_instseg", "segment", str(slide), "--model", MODEL, "--out", str(tmp_path)]
    killed = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(1200):
        if list(tmp_path.glob(".instseg/*/*")) or killed.poll() is not None:
            break
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    done = subprocess.run([*command, "--json", str(tmp_path / "s.json")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = json.loads((tmp_path / "s.json").read_text())["images"]
    assert abs(row["objects"] - serial.objects) <= 0.03 * serial.objects  # one block instead of several


def test_a_plate_is_done_well_by_well(tmp_path):
    last(simulate_plate(tmp_path / "plate.zarr", wells=2, fields=1, seed=1, side=256))
    found = last(segment_large(tmp_path / "plate.zarr", MODEL, tmp_path / "out.zarr"))
    table = pd.read_csv(found.table)
    assert set(table["well"]) == {"A01", "A02"}
    root = zarr.open_group(found.store, mode="r")
    for well in ("A/01", "A/02"):
        count = len(np.unique(np.asarray(root[f"{well}/0/labels/{found.labels}/0"]))) - 1
        assert count == (table["well"] == well.replace("/", "")).sum() > 5
    only = last(segment_large(tmp_path / "plate.zarr", MODEL, tmp_path / "only.zarr", well="A02"))
    assert set(pd.read_csv(only.table)["well"]) == {"A02"}


def test_bad_input_in_words(slide, serial, tmp_path):
    with pytest.raises(InstsegError, match="nothing.zarr"):
        last(segment_large(tmp_path / "nothing.zarr", MODEL, tmp_path / "out.zarr"))
    with pytest.raises(InstsegError, match="there is no level 9"):
        last(segment_large(slide, MODEL, tmp_path / "out.zarr", level=9))
    with pytest.raises(InstsegError, match="diameter is 'large'; expected"):
        last(segment_large(slide, MODEL, tmp_path / "out.zarr", diameter="large"))
    with pytest.raises(InstsegError, match="There is something already|already"):
        last(simulate_slide(slide, 640, seed=0))


def test_a_broken_chunk_is_named_and_the_rest_is_done(tmp_path):
    path = tmp_path / "broken.zarr"
    last(simulate_slide(path, 960, seed=2, chunk=240))
    chunk = next(file for file in sorted(path.glob("0/c/**/*")) if file.is_file())
    chunk.write_bytes(b"no image")
    found = last(segment_large(path, MODEL, tmp_path / "out.zarr", block=SMALL))
    assert found.failed
    assert found.blocks > len(found.failed)
    assert found.objects > 20


def emptied(path, place):
    """Make what lies at a place of the full resolution of an image, and of its pyramid, black."""
    group = zarr.open_group(path, mode="r+")
    for level in range(len(group.attrs["ome"]["multiscales"][0]["datasets"])):
        group[str(level)][tuple(slice(at.start >> level, at.stop >> level) for at in place)] = 0


def test_black_parts_of_a_slide_and_empty_wells_of_a_plate_are_no_error(tmp_path):
    path = tmp_path / "half.zarr"
    last(simulate_slide(path, 768, seed=3, chunk=256))
    emptied(path, (slice(256, 768), slice(0, 768)))
    found = last(segment_large(path, MODEL, tmp_path / "out.zarr", block=SMALL))
    assert not found.failed
    labels = labels_of(found)
    assert len(np.unique(labels[:256])) > 60
    assert not labels[288:].any()
    plate = tmp_path / "plate.zarr"
    last(simulate_plate(plate, wells=2, fields=1, seed=1, side=256))
    emptied(plate / "A" / "01" / "0", (slice(0, 256), slice(0, 256)))
    for more in ({}, {"model": "auto"}, {"model": "discriminative-any-size", "diameter": "auto"}):
        model, store = more.pop("model", MODEL), tmp_path / f"plate-{len(list(tmp_path.iterdir()))}.zarr"
        events = list(segment_large(plate, model, store, **more))
        assert any(isinstance(event, Message) and "A01/0: the image is empty" in event.text for event in events)
        assert not last(events).failed
        assert set(pd.read_csv(last(events).table)["well"]) == {"A02"}


def test_numbers_mean_the_same_in_all_blocks(slide, serial, tmp_path):
    """Numbers that single precision does not hold to the last digit are not counted from each block's own minimum."""
    path = tmp_path / "wide.tif"
    image = np.asarray(zarr.open_group(slide, mode="r")["0"]).astype(np.float64)
    tifffile.imwrite(path, image * 2.0**16, metadata={"axes": "YX"})
    tifffile.imwrite(tmp_path / "plain.tif", image.astype(np.float32), metadata={"axes": "YX"})
    wide = last(segment_large(path, MODEL, tmp_path / "wide.zarr", block=SMALL))
    plain = last(segment_large(tmp_path / "plain.tif", MODEL, tmp_path / "plain.zarr", block=SMALL))
    np.testing.assert_array_equal(labels_of(wide), labels_of(plain))
