"""The main job in a real viewer: open an image, choose a model, run, look at the objects."""

import sys
import threading

import numpy as np
import pytest
from qtpy.QtCore import Qt
from skimage.color import rgb_from_hed

from napari_instseg.data.stains import FAINTEST
from napari_instseg.inference.runner import Runner
from napari_instseg.widgets.segmenting.model_choice import headline
from napari_instseg.zoo import specs


def test_run_gives_the_objects_as_a_layer_in_the_place_of_its_image(window, disks):
    image, count = disks()
    layer = window.viewer.add_image(
        image, name="cells", scale=(0.5, 0.5), translate=(3, 4), units=("um", "um"), axis_labels=("row", "column")
    )
    window.run()
    labels = window.labels("cells")
    assert len(np.unique(labels.data)) - 1 == count
    np.testing.assert_array_equal(labels.data > 0, image > 50)
    np.testing.assert_allclose(labels.scale, layer.scale)
    np.testing.assert_allclose(labels.translate, layer.translate)
    assert labels.units == layer.units
    assert labels.axis_labels == layer.axis_labels
    features = labels.features
    assert sorted(features["index"]) == list(range(1, count + 1))
    assert set(features["score"]) == {0.75}
    areas = np.bincount(labels.data.ravel())
    assert all(areas[index] == area for index, area in zip(features["index"], features["area"], strict=True))
    assert window.state.status.message == f"{count} objects."
    assert "CPU" in window.dock.status._device.text() or "CUDA" in window.dock.status._device.text()


def test_a_second_run_refreshes_the_same_layer_and_keeps_ids(window, disks):
    image, _ = disks()
    window.viewer.add_image(image, name="cells")
    window.run()
    before = window.labels("cells").data.copy()
    window.row("foreground_threshold").changed.emit("foreground_threshold", 0.6)
    window.wait()
    window.run()
    assert [layer.name for layer in window.viewer.layers] == ["cells", "cells objects"]
    np.testing.assert_array_equal(window.labels("cells").data, before)


def test_color_and_channels(window, disks):
    image, count = disks()
    window.viewer.add_image(np.repeat(image[..., None] / 100, 3, -1), name="picture", rgb=True)
    assert window.dock.segment.image._rows["axes"].isHidden()
    window.run()
    assert window.labels("picture").features.shape[0] == count

    # of one stain there is all, of the brightness of all colours there is not
    choice = window.dock.segment.image
    colors = rgb_from_hed[[0, 1]][(np.indices(image.shape)[1] > image.shape[1] // 2).astype(int)]
    window.viewer.add_image(FAINTEST ** (0.2 * colors * image[..., None] / image.max()), name="tissue", rgb=True)
    choice._channel.activated.emit(choice._channel.findText("Haematoxylin"))
    window.run()
    found = window.labels("tissue").data > 0
    middle = image.shape[1] // 2
    np.testing.assert_array_equal(found[:, : middle - 15], image[:, : middle - 15] > 0)
    assert not found[:, middle + 15 :].any()

    other = np.zeros_like(image)
    other[:10] = 1
    window.viewer.add_image(np.stack([other, image]), name="two", axis_labels=("c", "y", "x"))
    assert choice._axes.currentText() == "2 channels along c, grey".removesuffix(", grey")
    choice._channel.activated.emit(choice._channel.findText("Channel 2"))
    window.run()
    assert window.labels("two").data.shape == image.shape
    assert window.labels("two").features.shape[0] == count


def test_stack_slice_by_slice(window, disks):
    image, count = disks()
    stack = np.stack([image, np.roll(image, 10, axis=1), image[::-1]])
    window.viewer.add_image(stack, name="stack", scale=(2, 1, 1), axis_labels=("z", "y", "x"))
    window.viewer.dims.set_current_step(0, 1)
    window.qtbot.wait(200)
    window.run()
    labels = window.labels("stack").data
    assert labels[1].max() > 0
    assert labels[0].max() == labels[2].max() == 0
    kept = labels[1].copy()
    slices = window.dock.segment.image._slices
    slices.activated.emit(slices.findText("All 3"))
    window.run()
    labels = window.labels("stack").data
    np.testing.assert_array_equal(labels[1], kept)
    counts = [len(np.unique(part)) - 1 for part in labels]
    assert min(counts) >= count
    assert len(np.unique(labels)) - 1 == sum(counts), "an id is used in two slices"
    assert window.labels("stack").features.shape[0] == sum(counts)


def test_images_that_cannot_be_segmented_are_refused_in_words(window, monkeypatch, disks):
    said = []
    window.session.failed.connect(said.append)
    image, _ = disks()
    image[3, 4] = np.nan
    window.viewer.add_image(image, name="broken")
    window.run()
    assert "NaN" in said[0]
    assert window.state.status.tone == "error"
    assert "broken objects" not in window.viewer.layers
    window.viewer.add_image(np.zeros((1, 40)), name="thin")
    window.run()
    assert len(said) == 2


def test_a_bad_image_gives_a_notification_of_napari(window):
    from napari.utils.notifications import notification_manager

    window.viewer.add_image(np.full((64, 64), np.inf, np.float32), name="broken", contrast_limits=(0, 1))
    before = len(notification_manager.records)
    window.run()
    assert "infinite" in notification_manager.records[-1].message
    assert len(notification_manager.records) == before + 1


def test_run_says_why_it_cannot(window, disks):
    run = window.dock.segment._run
    assert not run.isEnabled()
    assert "Open an image" in run.toolTip()
    window.viewer.add_image(disks()[0], name="cells")
    assert run.isEnabled()
    window.viewer.layers.clear()
    assert not run.isEnabled()


def test_cancel_ends_within_a_tile_shows_what_is_done_and_run_goes_on(window, disks, monkeypatch):
    image, _ = disks((240, 9000), 60, 20)
    window.viewer.add_image(image.astype(np.uint8), name="large")
    cancelled, computed, true = threading.Event(), [], Runner.__call__

    def compute(*args):
        computed.append(1)
        if len(computed) == 3:
            cancelled.wait(60)
        return true(*args)

    monkeypatch.setattr(Runner, "__call__", compute)
    window.qtbot.mouseClick(window.dock.segment._run, Qt.MouseButton.LeftButton)
    window.qtbot.waitUntil(lambda: len(computed) == 3, timeout=60_000)
    assert "tiles/s" in window.state.status.detail
    window.qtbot.mouseClick(window.dock.status._cancel, Qt.MouseButton.LeftButton)
    cancelled.set()
    window.wait()
    assert len(computed) == 3, "after it was cancelled, another tile than the one that was begun"
    message = window.state.status.message
    assert "Cancelled: 3 of 4 parts are done and kept; Run goes on from there." in message
    labels = window.labels("large").data
    reached = np.flatnonzero(labels.any(axis=0))[-1]
    assert 6000 < reached < 8000
    np.testing.assert_array_equal(labels[:, : reached - 60] > 0, image[:, : reached - 60] > 50)
    assert window.dock.segment._run.text() == "Go on  (F5)"
    assert "3 of 4 parts are done" in window.dock.segment._run.toolTip()
    window.run()
    assert len(computed) == 4
    np.testing.assert_array_equal(window.labels("large").data > 0, image > 50)
    assert window.dock.segment._run.text() == "Run again  (F5)"


def test_a_stack_that_was_cancelled_goes_on_with_the_next_slice(window, disks, monkeypatch):
    image, count = disks()
    window.viewer.add_image(np.stack([image] * 4), name="stack", axis_labels=("t", "y", "x"))
    slices = window.dock.segment.image._slices
    slices.activated.emit(slices.findText("All 4"))
    cancelled, computed, true = threading.Event(), [], Runner.__call__

    def compute(*args):
        computed.append(1)
        if len(computed) == 2:
            cancelled.wait(60)
        return true(*args)

    monkeypatch.setattr(Runner, "__call__", compute)
    window.dock.segment._run.click()
    window.qtbot.waitUntil(lambda: len(computed) == 2, timeout=60_000)
    window.qtbot.mouseClick(window.dock.status._cancel, Qt.MouseButton.LeftButton)
    assert window.state.status.stopping
    cancelled.set()
    window.wait()
    assert "1 of 4 images and 1 of 1 parts of the next one are done" in window.state.status.message
    before = window.labels("stack").data.copy()
    assert sum(bool(part.any()) for part in before) == 1
    window.run()
    assert len(computed) == 4
    assert window.labels("stack").features.shape[0] == 4 * count
    shown = before.any(axis=(1, 2))
    np.testing.assert_array_equal(window.labels("stack").data[shown], before[shown])


def test_other_values_begin_anew_after_a_cancel(window, disks, monkeypatch):
    window.viewer.add_image(np.stack([disks()[0]] * 3), name="stack", axis_labels=("t", "y", "x"))
    slices = window.dock.segment.image._slices
    slices.activated.emit(slices.findText("All 3"))
    computed, true = [], Runner.__call__

    def compute(*args):
        computed.append(1)
        if len(computed) == 1:
            window.session._job.stop()
        return true(*args)

    monkeypatch.setattr(Runner, "__call__", compute)
    window.run()
    assert window.dock.segment._run.text().startswith("Go on")
    window.dock.segment.diameter.chosen.emit(10.0)
    assert window.dock.segment._run.text().startswith("Run")
    window.run()
    assert len(computed) == 4


def test_the_event_loop_turns_while_a_network_runs(window, turns, disks, monkeypatch):
    image, _ = disks((1024, 4800), 60, 20)
    window.viewer.add_image(image, name="large")
    turns.asked_in(monkeypatch, Runner, "__call__")
    window.run()
    # how long the window waits is what benchmarks/live.py measures
    assert len(turns.given) > 1
    assert all(turns.given), "the window had no turn while a tile was computed"


def test_deleting_layers_and_closing_the_dock_in_mid_run_is_harmless(window, disks):
    image, _ = disks((1024, 2048), 60, 20)
    window.viewer.add_image(image, name="large")
    window.dock.segment._run.click()
    window.viewer.layers.clear()
    window.wait()
    assert window.state.source is None
    window.viewer.add_image(disks()[0], name="cells")
    window.run()
    window.viewer.layers.remove("cells objects")
    window.run()
    assert "cells objects" in window.viewer.layers
    window.row("min_size").changed.emit("min_size", 5)
    window.viewer.layers.remove("cells objects")
    window.wait()
    window.dock.segment._run.click()
    window.viewer.window.remove_dock_widget(window.dock)
    window.qtbot.wait(300)


def test_a_layer_that_the_user_renamed_is_left_alone_and_what_was_painted_is_kept(window, disks):
    image, count = disks()
    window.viewer.add_image(image, name="cells")
    window.run()
    mine = window.labels("cells")
    mine.name = "mine"
    window.run()
    assert window.labels("cells") is not mine
    painted = window.labels("cells")
    painted.data_setitem((np.array([0]), np.array([0])), 99)
    kept = painted.data.copy()
    window.run()
    assert window.labels("cells") is painted
    assert painted.features.shape[0] == count + 1
    np.testing.assert_array_equal(painted.data, kept)
    assert mine.data[0, 0] == 0


def test_no_objects_are_explained_and_the_next_step_offered(window, disks):
    image, count = disks()
    window.viewer.add_image(image, name="cells")
    window.row("min_size").changed.emit("min_size", 4000)
    window.run()
    section = window.dock.segment
    assert "smallest object 4000 px leaves all of them out" in section._advice_text.text()
    section._advice_button.click()
    window.wait()
    assert window.labels("cells").features.shape[0] == count
    assert window.state.parameters.min_size < 4000


def test_the_dock_opens_without_the_heavy_imports(tmp_path):
    import subprocess

    code = (
        "import sys, napari\n"
        "viewer = napari.Viewer(show=False)\n"
        "from napari_instseg.widgets.dock import SegmentDock\n"
        "dock = SegmentDock(viewer)\n"
        "print([n for n in ('torch', 'hdbscan', 'sklearn') if n in sys.modules])\n"
        "dock.stop(); viewer.close()\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=300)
    assert said.stdout.strip() == "[]"


def test_diameter_is_measured_from_a_drawn_ellipse(window, disks):
    window.viewer.add_image(disks()[0], name="cells", scale=(0.5, 0.5), units=("um", "um"))
    choice = window.dock.segment.diameter
    choice._measure.click()
    shapes = window.viewer.layers["example object"]
    shapes.add(np.array([[10, 10], [10, 34], [34, 34], [34, 10]]), shape_type="ellipse")
    assert window.state.diameter == pytest.approx(24)
    assert choice._box.value() == pytest.approx(12)
    assert choice._box.text() == "12.0 µm"
    choice._measure.click()
    assert "example object" not in window.viewer.layers
    choice._box.setValue(0)
    assert window.state.diameter is None


def test_a_number_typed_after_a_click_replaces_the_words_for_none(window, disks):
    window.viewer.window.show()
    window.viewer.add_image(disks()[0], name="cells")
    box = window.dock.segment.diameter._box
    assert box.text() == "default"
    window.viewer.window._qt_window.activateWindow()
    window.qtbot.mouseClick(box.lineEdit(), Qt.MouseButton.LeftButton)
    window.qtbot.waitUntil(box.lineEdit().hasSelectedText)
    window.qtbot.keyClicks(box, "50")
    window.qtbot.keyClick(box, Qt.Key.Key_Return)
    assert window.state.diameter == 50


def test_the_diameter_is_that_of_the_disk_with_the_area_of_the_shape():
    from napari_instseg.widgets.segmenting.diameter import diameter_of

    box = np.array([[7, 0, 0], [7, 0, 20], [7, 20, 20], [7, 20, 0]])
    assert diameter_of(box, "ellipse") == pytest.approx(20)
    assert diameter_of(box, "rectangle") == pytest.approx(2 * np.sqrt(400 / np.pi))
    assert diameter_of([[0, 0], [3, 4]], "line") == pytest.approx(5)


def test_what_the_first_labels_layer_needs_is_loaded_in_the_thread_of_the_job(window, disks, monkeypatch):
    loaded = []
    monkeypatch.setattr(window.dock.segmenting, "_prepare", lambda: loaded.append(threading.current_thread().name))
    window.viewer.add_image(disks()[0], name="cells")
    window.run()
    assert loaded == ["instseg-job"]


def test_the_layer_of_objects_is_made_after_the_turn_that_takes_them_over(window, disks):
    image, count = disks()
    layers, there = window.viewer.layers, []
    window.session.changed.connect(
        lambda before, now: there.append("cells objects" in layers) if now.found_since(before) else None
    )
    window.dock.layers.made.connect(lambda _: there.append(len(np.unique(layers["cells objects"].data)) - 1))
    window.viewer.add_image(image, name="cells")
    window.run()
    assert there == [False, count]
    assert layers["cells objects"].data is window.dock.annotating.annotation.labels


def test_the_dashes_of_outlines_are_made_ahead():
    from vispy.visuals.line import dash_atlas

    from napari_instseg.widgets.layers import load_labels

    dash_atlas._make_pattern.cache_clear()
    load_labels.__wrapped__()
    made = dash_atlas._make_pattern.cache_info().misses
    dash_atlas.DashAtlas()
    assert dash_atlas._make_pattern.cache_info().misses == made > 0


def test_accurate_averages_over_views_and_tells_its_price(window, disks):
    image, count = disks((128, 160))
    window.viewer.add_image(image, name="cells")
    section = window.dock.segment
    assert section._accurate.isEnabled()
    assert "times as long." in section._accurate.toolTip()
    window.run()
    plain = window.labels("cells").data.copy()
    assert " s without" in section._accurate.toolTip()
    section._accurate.click()
    assert window.state.accurate
    window.run()
    accurate = window.labels("cells").data
    assert window.labels("cells").features.shape[0] == count
    assert (accurate > 0).sum() == pytest.approx((plain > 0).sum(), rel=0.2)
    window.dock.session.choose_model("coloring-nuclei")
    assert not section._accurate.isEnabled()
    assert "cannot average" in section._accurate.toolTip()


def test_the_line_under_a_model_tells_its_score_on_what_it_is_made_for():
    spec = specs()["discriminative-yeast"]
    yeast = next(score for score in spec.scores if score.data.startswith("yeast"))
    assert spec.scores[0] != yeast
    assert headline(spec) == f"{spec.title}. Mean AP {yeast.mean_ap:.2f} on {yeast.data}."
    unmatched = spec.model_copy(update={"modality": ("electron microscopy",)})
    assert spec.scores[0].data in headline(unmatched)
    assert headline(spec.model_copy(update={"scores": ()})) == f"{spec.title}."
