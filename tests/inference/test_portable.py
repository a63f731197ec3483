"""Networks that run without this program."""

import io
import json

import numpy as np
import pytest
import torch

from napari_instseg.core.errors import InputError, ModelError
from napari_instseg.inference.model import Model
from napari_instseg.inference.portable import export_bioimageio, portable, trace
from napari_instseg.io.models import ModelSpec

SMALL = {"width": 4, "levels": 2}


def make(method, **fields):
    torch.manual_seed(0)
    network = {**SMALL, **fields.pop("network", {})}
    return Model(ModelSpec(name="tiny model é", method=method, diameter=12, network=network, **fields))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("method", "fields"),
    [
        ("discriminative", {"network": {"coordinates": "periodic"}, "in_channels": 3}),
        ("coloring", {"network": {"coordinates": "none"}}),
        ("semiconv", {"network": {"coordinates": "periodic"}}),
        ("coloring", {"ndim": 3, "network": {"coordinates": "periodic"}}),
    ],
)
def test_torchscript_of_one_image_says_of_any_other_what_the_model_says(method, fields):
    model = make(method, **fields)
    ndim, channels = model.spec.ndim, model.spec.in_channels
    recorded = trace(model, torch.rand(1, channels, *(32,) * ndim))
    file = io.BytesIO()
    torch.jit.save(recorded, file)
    file.seek(0)
    opened = torch.jit.load(file)
    shape = (48, 32, 40)[:ndim]
    images = np.random.default_rng(0).uniform(0, 1, (2, channels, *shape)).astype(np.float32)
    with torch.no_grad():
        found = opened(torch.from_numpy(images))
    runner = model._runner("cpu")
    for number in range(2):
        expected = runner(images[number], (0,) * ndim, shape)
        assert [tuple(one.shape[1:]) for one in found] == [one.shape for one in expected.values()]
        tolerance = 0.1 if runner.half else 1e-3  # bfloat16 has two to three digits
        for one, of in zip(found, expected.values(), strict=True):
            np.testing.assert_allclose(one[number].numpy(), of, atol=tolerance * max(1, np.abs(of).max()))


@pytest.mark.filterwarnings("ignore:.torch.jit:FutureWarning", "ignore:.torch.jit:DeprecationWarning")
def test_a_package_holds_what_its_description_names(tmp_path):
    model = make("discriminative", network={"coordinates": "periodic"})
    path = export_bioimageio(model, tmp_path / "package", license_="MIT", authors=["A. Name"])
    rdf = json.loads(path.read_text(encoding="utf-8"))
    assert rdf["name"] == "tiny model -"
    (raw,) = rdf["inputs"]
    image = np.load(path.parent / raw["test_tensor"]["source"])
    low, high = np.percentile(image, (model.normalization.low, model.normalization.high))
    normalised = torch.from_numpy(((image - low) / (high - low)).astype(np.float32))
    alone = portable(rdf["weights"]["pytorch_state_dict"]["architecture"]["kwargs"]["spec"])
    alone.load_state_dict(torch.load(path.parent / "weights.state_dict.pt", weights_only=True))
    recorded = torch.jit.load(path.parent / "weights.torchscript.pt")
    with torch.no_grad():
        by_state, by_script = alone(normalised), recorded(normalised)
    assert [one["id"] for one in rdf["outputs"]] == ["embedding", "foreground"]
    for one, state, script in zip(rdf["outputs"], by_state, by_script, strict=True):
        expected = np.load(path.parent / one["test_tensor"]["source"])
        np.testing.assert_allclose(state.numpy(), expected, atol=1e-4)
        np.testing.assert_allclose(script.numpy(), expected, atol=1e-4)
        assert one["axes"][2]["halo"] == model.network.halo
        assert len(one["axes"][1]["channel_names"]) == expected.shape[1]
    assert min(image.shape[2:]) > 2 * model.network.halo


def test_what_cannot_stand_on_its_own_is_refused(tmp_path):
    with pytest.raises(ModelError, match="--coordinates periodic"):
        export_bioimageio(
            make("discriminative", network={"coordinates": "image"}), tmp_path, license_="MIT", authors=["A"]
        )
    with pytest.raises(InputError, match="names its authors"):
        export_bioimageio(make("coloring"), tmp_path, license_="MIT", authors=[" "])
