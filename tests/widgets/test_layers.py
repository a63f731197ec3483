"""Network outputs as layers, exports, samples, the manifest."""

from importlib import resources

import numpy as np
import pytest

from napari_instseg.data.samples import SAMPLES


def box(window, name):
    return window.dock.look.views._boxes[name][1]


def test_outputs_become_layers_on_demand_and_are_refreshed_in_place(window, disks):
    image, _ = disks()
    window.viewer.add_image(image, name="cells", scale=(2, 2), units=("um", "um"))
    assert not box(window, "foreground").isEnabled()
    assert "Run" in box(window, "foreground").toolTip()
    window.run()
    assert not box(window, "spots").isEnabled()
    assert "seeds" in box(window, "spots").toolTip()
    for name in ("foreground", "pieces", "rgb"):
        box(window, name).click()
        window.wait()
    layers = window.viewer.layers
    foreground, pieces = layers["cells foreground"], layers["cells pieces"]
    prediction = next(iter(window.state.results.predictions.values()))
    np.testing.assert_array_equal(foreground.data, prediction.outputs["foreground"])
    assert tuple(foreground.scale) == (2, 2)
    assert foreground.units == layers["cells"].units
    assert layers["cells picture"].rgb
    assert layers.index("cells foreground") < layers.index("cells objects")
    assert window.state.source.name == "cells", "a layer that shows an output was taken for an image"
    window.row("foreground_threshold")._box.setValue(0.01)
    window.wait()
    assert layers["cells pieces"] is pieces
    assert pieces.data.max() == window.state.results.n_objects
    window.run()
    assert len(layers) == 5
    box(window, "foreground").click()
    assert "cells foreground" not in layers


def test_outputs_of_a_slice_lie_in_their_slice(window, disks):
    image, _ = disks()
    window.viewer.add_image(np.stack([image] * 3), name="stack", scale=(3, 1, 1))
    window.viewer.dims.set_current_step(0, 2)
    window.qtbot.wait(200)
    window.run()
    box(window, "foreground").click()
    window.wait()
    layer = window.viewer.layers["stack foreground"]
    assert layer.data.shape == (1, *image.shape)
    assert layer.translate[0] == 6


def test_export_asks_only_for_a_place(window, disks, tmp_path, monkeypatch):
    from napari_instseg.io.labels import read_labels
    from napari_instseg.widgets.segmenting import export

    image, _ = disks()
    window.viewer.add_image(image, name="cells")
    section = window.dock.export
    assert not section._all.isEnabled()
    window.run()
    layer = window.labels("cells")
    layer.data_setitem((np.array([0]), np.array([0])), 77)
    monkeypatch.setattr(export.QFileDialog, "getExistingDirectory", lambda *_: str(tmp_path / "out"))
    section._all.click()
    window.wait()
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "labels" / "cells.tif"), layer.data)
    assert (tmp_path / "out" / "tables" / "cells.csv").is_file()
    assert (tmp_path / "out" / "overlays" / "cells.png").is_file()
    monkeypatch.setattr(export.QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "my table"), ""))
    section._buttons["table"].click()
    window.wait()
    assert (tmp_path / "my table.csv").is_file()
    assert "my table.csv" in window.state.status.message
    blocked = tmp_path / "file"
    blocked.write_text("")
    said = []
    window.session.failed.connect(said.append)
    monkeypatch.setattr(export.QFileDialog, "getSaveFileName", lambda *_: (str(blocked / "a.csv"), ""))
    section._buttons["table"].click()
    window.wait()
    assert "Cannot write" in said[0]


def test_the_manifest_offers_the_dock_and_every_sample():
    from npe2 import PluginManifest

    manifest = PluginManifest.from_file(str(resources.files("napari_instseg") / "napari.yaml"))
    offered = {sample.key: sample for sample in manifest.contributions.sample_data}
    assert list(offered) == list(SAMPLES)
    commands = {command.id: command for command in manifest.contributions.commands}
    for name, sample in SAMPLES.items():
        assert sample.title in offered[name].display_name
        assert commands[offered[name].command].python_name.endswith(f":{name.replace('-', '_')}")
    menus = {menu: [item.command for item in items] for menu, items in manifest.contributions.menus.items()}
    assert menus["napari/layers/segment"] == ["napari-instseg.segment"]


@pytest.fixture
def plugin(npe2pm):
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-instseg")
    with npe2pm.tmp_plugin(manifest=manifest):
        yield


def test_samples_open_and_the_dock_comes_from_the_menu(plugin, make_napari_viewer, qtbot):
    viewer = make_napari_viewer()
    for name, sample in SAMPLES.items():
        (layer,) = viewer.open_sample("napari-instseg", name)
        assert layer.name == sample.title
        assert layer.data.size
    _, dock = viewer.window.add_plugin_dock_widget("napari-instseg", "Segment")
    assert dock.session.state.source.name == list(SAMPLES.values())[-1].title
    # a sample comes with the model that was made for it and the size of its objects, which go with it
    qtbot.waitUntil(lambda: bool(dock.session.state.models), timeout=20_000)
    for name in ("rosette", "bacteria", "coins", "ihc", "nuclei"):
        viewer.open_sample("napari-instseg", name)
        sample = SAMPLES[name]
        qtbot.waitUntil(lambda title=sample.title: dock.session.state.source.name.startswith(title))
        assert (dock.session.state.model, dock.session.state.diameter, dock.session.state.channel) == (
            sample.model,
            sample.diameter,
            sample.stain,
        )
    dock.segment.diameter.chosen.emit(33.0)  # what a user says of an image is not said of the next
    viewer.open_sample("napari-instseg", "bacteria")
    qtbot.waitUntil(lambda: dock.session.state.source.name.startswith(SAMPLES["bacteria"].title))
    assert dock.session.state.diameter == SAMPLES["bacteria"].diameter
    dock.stop()


def test_a_window_is_drawn_in_a_later_turn(qtbot):
    from qtpy.QtWidgets import QWidget

    from napari_instseg.widgets.painting import draw_next_turn

    window = QWidget()
    part = QWidget(window)
    draw_next_turn(part)
    draw_next_turn(part)  # for another layer in the same turn
    assert not window.updatesEnabled()
    qtbot.waitUntil(window.updatesEnabled)
    qtbot.wait(50)
    assert window.updatesEnabled()
    draw_next_turn(part)
    window.close()
    window.deleteLater()  # a window that is gone in between is harmless
    qtbot.wait(50)


def test_dialogs_begin_beside_the_image(window, disks, tmp_path, monkeypatch):
    import tifffile

    from napari_instseg.widgets.segmenting import export

    tifffile.imwrite(tmp_path / "cells.tif", disks()[0])
    window.viewer.open(str(tmp_path / "cells.tif"), plugin="napari")
    window.run()
    asked = []
    monkeypatch.setattr(export.QFileDialog, "getExistingDirectory", lambda *told: asked.append(told[2]) or "")
    window.dock.export._all.click()
    assert asked == [str(tmp_path)]
    assert window.dock.retrain.project._folder == tmp_path
