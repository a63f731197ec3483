"""Each of the six methods in a napari of its own, as a user has it: from import to objects."""

import json
import subprocess
import sys

from napari_instseg.zoo import specs

WINDOW = """
import json, time
import napari
from qtpy.QtWidgets import QApplication
from napari_instseg.widgets.dock import SegmentDock

viewer = napari.Viewer()
viewer.open_sample("napari-instseg", "nuclei")
_, dock = viewer.window.add_plugin_dock_widget("napari-instseg", "Segment")
assert isinstance(dock, SegmentDock)

def wait():
    end, calm = time.monotonic() + 300, 0
    while calm < 10:
        QApplication.processEvents()
        time.sleep(0.02)
        calm = calm + 1 if dock.idle and dock.layers.idle else 0
        assert time.monotonic() < end

wait()
found = {}
for method in %s:
    dock.segment.model.chosen.emit(method + "-nuclei")
    wait()
    dock.segment.run.emit()
    wait()
    found[method] = int(viewer.layers[-1].data.max())
    viewer.layers.remove(viewer.layers[-1])
print(json.dumps(found))
viewer.close()
"""


def test_each_method_finds_the_nuclei_of_a_sample_in_a_new_window():
    """In a process of its own, since libraries that clash crash it: semiconv_rcnn first, whose torchvision did."""
    order = sorted((spec.method for name, spec in specs().items() if name.endswith("-nuclei")), reverse=True)
    assert len(order) == 6
    assert order[0] == "semiconv_rcnn"
    done = subprocess.run([sys.executable, "-c", WINDOW % order], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == order
    assert all(40 <= count <= 80 for count in found.values()), found
