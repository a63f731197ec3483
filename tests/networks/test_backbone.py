"""Networks of a library are built by their name alone; no name makes it ask a server or read a folder."""

import subprocess
import sys

import pytest

from napari_instseg.core.errors import ParameterError
from napari_instseg.networks.backbone import BackboneNetwork

WATCHED = """
import sys
from napari_instseg.core.errors import InstsegError
from napari_instseg.networks.backbone import BackboneNetwork
asked = []
def hook(name, arguments):
    if name.startswith("socket.") and name not in ("socket.__new__",):
        asked.append(name)
        raise OSError("no network here")
sys.addaudithook(hook)
for name in ("smp:Unet:resnet18", "smp:Unet:tu-resnet18", "smp:Unet:tu-hf_hub:somebody/model"):
    try:
        BackboneNetwork(name, 1, {"a": 1})
    except InstsegError as error:
        print(name, error)
sys.exit(" ".join(asked) or 0)
"""


@pytest.mark.parametrize(
    "name",
    [
        "smp:Unet:tu-hf_hub:somebody/model",
        "smp:Unet:tu-hf-hub:somebody/model",
        "smp:Unet:tu-local-dir:/etc",
        "smp:Unet:../../x",
        "smp:Unet:a\x00",
        "smp:Unet",
        "smp::",
        "smp:Unet:nothing",
        "smp:Nothing:resnet18",
        "smp:Unet:resnet18:imagenet",
    ],
)
def test_a_name_that_is_no_backbone_is_refused(name):
    with pytest.raises(ParameterError, match="There is no backbone"):
        BackboneNetwork(name, 1, {"a": 1})


def test_building_asks_no_server():
    done = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("smp:Unet:tu-hf_hub")
