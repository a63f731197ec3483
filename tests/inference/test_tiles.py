"""Tiles cover each pixel once, and a network run over tiles says what it says of the whole image."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from napari_instseg.core.events import Message, Progress, Result
from napari_instseg.inference.stitch import expand
from napari_instseg.inference.tiles import is_out_of_memory, predict_tiles, read_window, split_axis, split_grid


@given(
    length=st.integers(1, 400), size=st.integers(1, 120), halo=st.integers(0, 30), stride=st.sampled_from([1, 2, 8, 16])
)
def test_spans_along_an_axis(length, size, halo, stride):
    spans = split_axis(length, size, halo, stride)
    covered = np.zeros(length, int)
    for span in spans:
        covered[span.core] += 1
    assert (covered == 1).all()
    padded = -(-length // stride) * stride
    assert len({span.stop - span.start for span in spans}) == 1
    for span in spans:
        assert span.start % stride == 0
        assert span.stop % stride == 0
        assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop <= padded
        assert span.start == 0 or span.core_start - span.start >= halo
        assert span.stop == padded or span.stop - span.core_stop >= halo


def test_no_more_tiles_than_needed():
    # 4 windows of 256 with 2 x 32 in common hold 256 + 3 * 192 = 832 pixels
    assert len(split_axis(832, 256, 32, 16)) == 4
    assert len(split_axis(833, 256, 32, 16)) == 5
    assert len(split_axis(256, 256, 32, 16)) == 1


def test_grid_covers_a_volume_once():
    covered = np.zeros((19, 70, 33), int)
    for tile in split_grid(covered.shape, (16, 32, 16), 5, 2):
        covered[tuple(span.core for span in tile)] += 1
    assert (covered == 1).all()


@pytest.mark.parametrize("length", [1, 2, 3, 5, 7, 9, 16])
def test_border_is_mirrored_as_if_the_whole_image_had_been_padded(length):
    image = np.arange(2 * length * 11, dtype=np.uint16).reshape(2, length, 11)
    padded_length = -(-length // 8) * 8
    whole = np.pad(image, [(0, 0), (0, padded_length - length), (0, 5)], mode="reflect")
    got = read_window(image, (slice(0, padded_length), slice(0, 16)))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, whole)


HALO, STRIDE = 12, 4


def local_network(window, offset):
    """Pools by the stride, looks HALO pixels around, pads with zeros, and knows where it is: as a U-Net does."""
    assert all(side % STRIDE == 0 for side in window.shape[1:])
    assert all(start % STRIDE == 0 for start in offset)
    ndim = window.ndim - 1
    coarse = window
    for axis in range(1, ndim + 1):
        coarse = np.add.reduceat(coarse, np.arange(0, coarse.shape[axis], STRIDE), axis)
    blurred = ndimage.uniform_filter(coarse, (0, *[3] * ndim), mode="constant")
    for axis in range(1, ndim + 1):
        blurred = blurred.repeat(STRIDE, axis)
    fine = ndimage.uniform_filter(window, (0, *[2 * HALO - 1] * ndim), mode="constant")
    where = np.indices(window.shape[1:]) + np.reshape(offset, (-1, *[1] * ndim))
    return {"sum": blurred + fine, "where": where.astype(np.float32)}


def run_whole(image):
    padded = np.pad(image, [(0, 0), *[(0, -n % STRIDE) for n in image.shape[1:]]], mode="reflect").astype(np.float32)
    inside = (slice(None), *(slice(0, n) for n in image.shape[1:]))
    return {name: array[inside] for name, array in local_network(padded, (0,) * (image.ndim - 1)).items()}


def result(events):
    *_, last = events
    assert isinstance(last, Result)
    return last.value


@pytest.mark.parametrize(
    ("shape", "tile"),
    [((1, 97, 130), 40), ((3, 64, 64), (36, 64)), ((2, 3, 200), 32), ((1, 1, 1), 64), ((2, 41, 38, 45), 32)],
)
def test_tiled_equals_whole(shape, tile):
    image = np.random.default_rng(0).integers(0, 1000, shape).astype(np.uint16)
    tiled = result(predict_tiles(local_network, image, tile=tile, halo=HALO, stride=STRIDE))
    for name, array in run_whole(image).items():
        np.testing.assert_allclose(tiled[name], array, rtol=1e-6, atol=1e-3)


def test_a_halo_too_small_would_be_noticed():
    image = np.random.default_rng(0).normal(size=(1, 100, 100))
    tiled = result(predict_tiles(local_network, image, tile=40, halo=4, stride=STRIDE))
    assert np.abs(tiled["sum"] - run_whole(image)["sum"]).max() > 0.01


def test_a_widened_block_gives_the_whole_images_outputs_inside():
    image = np.random.default_rng(1).normal(size=(1, 150, 133)).astype(np.float32)
    whole = run_whole(image)
    for window in [(slice(50, 97), slice(61, 133)), (slice(0, 30), slice(7, 40)), (slice(120, 150), slice(0, 133))]:
        read = expand(window, image.shape[1:], HALO, STRIDE)
        offset = tuple(part.start for part in read)
        block = result(
            predict_tiles(local_network, image[(slice(None), *read)], tile=48, halo=HALO, stride=STRIDE, offset=offset)
        )
        inside = tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(window, read, strict=True))
        for name, array in whole.items():
            np.testing.assert_allclose(block[name][(slice(None), *inside)], array[(slice(None), *window)], atol=1e-5)


def test_progress_counts_tiles_and_outputs_have_the_wished_type():
    image = np.zeros((1, 64, 128), np.uint8)
    events = list(predict_tiles(local_network, image, tile=64, halo=HALO, stride=STRIDE, dtype=np.float16))
    assert events[:-1] == [Progress(i, 3, "tiles") for i in (1, 2, 3)]
    assert events[-1].value["sum"].dtype == np.float16


class OutOfMemoryError(RuntimeError):
    """As torch's is named."""


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        RuntimeError("MPS backend out of memory (MPS allocated: 6 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried ..."),
    ],
)
def test_tile_is_halved_until_it_fits(error):
    released = []

    def small_memory(window, offset):
        if window[0].size > 60 * 60:
            raise error
        return local_network(window, offset)

    image = np.random.default_rng(0).normal(size=(1, 150, 150))
    events = list(
        predict_tiles(small_memory, image, tile=160, halo=HALO, stride=STRIDE, release=lambda: released.append(1))
    )
    messages = [event.text for event in events if isinstance(event, Message)]
    assert len(messages) == len(released) == 2
    assert "40 x 40" in messages[-1]
    np.testing.assert_allclose(events[-1].value["sum"], run_whole(image)["sum"], atol=1e-5)


def test_out_of_memory_at_the_smallest_tile_is_raised():
    sizes = []

    def no_memory(window, offset):
        sizes.append(window.shape[1])
        raise MemoryError

    with pytest.raises(MemoryError):
        list(predict_tiles(no_memory, np.zeros((1, 100, 100)), tile=64, halo=HALO, stride=STRIDE))
    assert sizes == [64, 32, 28]


def test_other_errors_are_not_tried_again():
    calls = []

    def broken(window, offset):
        calls.append(1)
        raise RuntimeError("size mismatch")

    with pytest.raises(RuntimeError, match="size mismatch"):
        list(predict_tiles(broken, np.zeros((1, 100, 100)), tile=64, halo=HALO, stride=STRIDE))
    assert len(calls) == 1
    assert not is_out_of_memory(ValueError("out of memory"))


def test_stops_between_tiles_when_closed():
    calls = []

    def count(window, offset):
        calls.append(1)
        return {"x": window}

    events = predict_tiles(count, np.zeros((1, 256, 256)), tile=64, halo=8, stride=4)
    next(events)
    events.close()
    assert len(calls) == 1
