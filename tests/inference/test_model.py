"""A model looks at images of any kind: tiles change nothing, axes and channels are understood or asked for."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.draw import disk

from napari_instseg.core.errors import InputError, ModelError, ParameterError
from napari_instseg.core.events import Progress, Result
from napari_instseg.inference import model as module
from napari_instseg.inference.model import Done, Model, load_model
from napari_instseg.inference.prediction import Prediction
from napari_instseg.io.models import ModelSpec
from napari_instseg.networks.coordinates import random_coordinate_maps
from napari_instseg.networks.semiconv import FIRST_SIGMA
from napari_instseg.zoo import find_model

NETWORK = {"width": 8, "levels": 3}


def tiny(method="discriminative", **changes):
    torch.manual_seed(0)
    values = {"name": "tiny", "method": method, "diameter": 12.0, "network": NETWORK, **changes}
    model = Model(ModelSpec(**values))
    # running statistics as after training, so that batch normalisation is not the identity
    model.network.train()
    with torch.no_grad():
        for _ in range(3):
            side = (32,) * model.spec.ndim
            maps = random_coordinate_maps(model.network.coordinates, 1, side)
            model.network(torch.rand(1, model.spec.in_channels, *side), maps)
    model.network.eval()
    return model


def disks(shape=(150, 170), radius=6, spacing=20):
    image = np.zeros(shape, np.uint8)
    for y in range(spacing // 2, shape[0], spacing):
        for x in range(spacing // 2, shape[1], spacing):
            image[disk((y, x), radius, shape=shape)] = 200
    return image + np.random.default_rng(0).integers(0, 20, shape).astype(np.uint8)


@pytest.mark.parametrize("coordinates", ["none", "periodic"])
@pytest.mark.parametrize("method", ["coloring", "discriminative"])
def test_tiles_give_what_the_whole_image_gives(method, coordinates):
    model, image = tiny(method, network={**NETWORK, "coordinates": coordinates}), disks((311, 290))
    whole = model.predict(image, tile=2000)
    window = 2 * model.network.halo + 4 * model.network.stride
    events = list(model.predict_events(image, tile=window))
    assert sum(isinstance(event, Progress) for event in events) > 4
    tiled = events[-1].value
    for name, array in whole.outputs.items():
        assert array.shape[-2:] == image.shape
        # bfloat16 sums in another order
        np.testing.assert_allclose(tiled.outputs[name], array, atol=0.02 * np.abs(array).max())
    np.testing.assert_array_equal(tiled.decode().labels > 0, whole.decode().labels > 0)


def stopped_after(events, count):
    """Go through the progress of an operation, and stop it as a window does."""
    for done, event in enumerate(events, start=1):
        assert isinstance(event, Progress)
        if done == count:
            break
    events.close()


@pytest.mark.parametrize("diameter", [None, 16.0])
def test_a_run_that_was_stopped_shows_what_is_done_and_goes_on_from_there(diameter):
    model, image = load_model("coloring-nuclei"), disks((420, 500), radius=9, spacing=40)
    how = {"tile": 2 * model.network.halo + 4 * model.network.stride, "diameter": diameter}
    *progress, last = model.predict_events(image, **how)
    every, expected = len(progress), last.value.decode().labels
    assert every > 9
    done = Done()
    stopped_after(model.predict_events(image, **how, done=done), every - 4)
    assert done.count == (every - 4, every)
    factor = model.spec.presumed_diameter / (diameter or model.spec.presumed_diameter)
    known = np.zeros(image.shape, bool)
    for core in done.tiles.cores:
        known[tuple(slice(round(part.start / factor), round(part.stop / factor)) for part in core)] = True
    part = model.segment_done(image, done, diameter=diameter).labels
    assert not part[~known].any()
    # objects that do not reach to what is not done are those of the whole image
    whole = np.setdiff1d(np.unique(expected[known]), np.unique(expected[~ndimage.binary_erosion(known, iterations=3)]))
    assert len(whole) > 40
    for label in whole:
        assert len(np.unique(part[expected == label])) == 1
        np.testing.assert_array_equal(part == part[expected == label][0], expected == label)
    assert done.count == (every - 4, every), "looking at it changes nothing"
    again = list(model.predict_events(image, **how, done=done))
    assert len(again) == 5
    for name, array in last.value.outputs.items():
        np.testing.assert_array_equal(again[-1].value.outputs[name], array)


def test_blocks_that_are_done_are_shown_and_not_done_again(monkeypatch):
    model, image = load_model("coloring-nuclei"), disks((420, 500), radius=9, spacing=40)
    monkeypatch.setattr(module, "BLOCK", 260)
    *progress, last = model.segment_events(image)
    done, blocks = Done(), len(model.blocks(image.shape))
    stopped_after(model.segment_events(image, done=done), len(progress) // 2)
    reached, count = done.count
    assert count == blocks
    assert 0 < reached < blocks
    part = model.segment_done(image, done)
    assert 20 < part.n_objects < last.value.n_objects
    again = list(model.segment_events(image, done=done))
    assert len(again) < len(progress)
    np.testing.assert_array_equal(again[-1].value.labels, last.value.labels)


def test_arguments_that_make_no_sense_are_refused_in_words():
    model, image = tiny(), disks((64, 64))
    for tile in (0, 1, 31, 64.0, "a"):
        for method in (model.predict, model.segment):
            with pytest.raises(ParameterError, match="The tile is .*; expected a whole number of pixels, 32 or more"):
                method(image, tile=tile)
    model.segment(image, tile=np.int64(32), diameter=np.float32(12))
    with pytest.raises(ParameterError, match="diameter is 'a'; expected a number"):
        model.segment(image, diameter="a")
    with pytest.raises(ModelError, match="No model 'None'"):
        load_model(None)


@pytest.mark.parametrize("group", ["network", "decode", "normalization"])
def test_bad_parameters_name_the_model_folder(group, tmp_path):
    model = tiny()
    model.spec = model.spec.model_copy(update={group: {"nonsense": 1}})
    model.save(tmp_path / "bad model")
    with pytest.raises(ModelError, match=r"bad model.model\.json is not valid: Unknown parameter 'nonsense'"):
        load_model(tmp_path / "bad model")


def test_the_segmentation_of_a_stack_names_its_axes():
    stack = np.stack([np.stack([disks((64, 64)), disks((64, 64), spacing=30)])] * 2)
    assert tiny().segment(stack[0], axes="TYX").axes == "TYX"
    assert tiny().segment(stack, axes="ZTYX").axes == "ZTYX"
    assert tiny().segment(stack[0, 0]).axes == "YX"
    assert "t_max" in tiny().segment(stack[0], axes="TYX").table


def test_positions_are_the_images_own_where_the_network_saw_it_resized():
    model = tiny("semiconv")
    with torch.no_grad():
        model.network.network.head.weight.zero_()
        model.network.network.head.bias.zero_()
    outputs = model.predict(disks((64, 96)), diameter=24.0).outputs
    rows, columns = np.indices((64, 96))
    np.testing.assert_allclose(outputs["embedding"], np.stack([rows, columns]), atol=1.1)
    np.testing.assert_allclose(outputs["sigma"], 2 * FIRST_SIGMA, rtol=1e-4)


def test_blocks_find_the_objects_of_the_whole_image(monkeypatch):
    """An image beyond the block size is segmented block by block; no object is cut, lost or doubled."""
    image = disks((420, 400))
    model = tiny()
    seen = np.pad(image > 100, ((0, 400), (0, 400)), mode="edge")

    def exact(raw, offset):
        """Answer rightly for every pixel of the tile that the network was given."""
        window = tuple(slice(o, o + side) for o, side in zip(offset, raw["embedding"].shape[2:], strict=True))
        right = torch.from_numpy(seen[window].astype(np.float32))[None, None]
        return {"embedding": right.repeat(1, 8, 1, 1), "foreground": right}

    monkeypatch.setattr(module, "BLOCK", 176)
    model._runners["cpu"] = module.Runner(model.network, exact, 2, "cpu")
    found = model.segment(image, device="cpu")
    expected = len(range(10, 420, 20)) * len(range(10, 400, 20))
    assert found.n_objects == expected
    np.testing.assert_array_equal(found.labels > 0, image > 100)
    assert set(found.table["area"]) == {np.count_nonzero(image[:20, :20] > 100)}


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int16, np.uint16, np.int32, np.int64, np.float32, np.float64])
def test_every_number_type_gives_the_same_objects(dtype):
    image = disks() > 100
    expected = tiny().segment(image.astype(np.uint8)).labels
    np.testing.assert_array_equal(tiny().segment(image.astype(dtype)).labels, expected)


def test_grey_images_suit_a_model_of_three_channels():
    model = tiny(in_channels=3)
    grey = disks()
    np.testing.assert_array_equal(
        model.predict(grey).outputs["embedding"], model.predict(np.stack([grey] * 3, axis=-1)).outputs["embedding"]
    )


def test_threads_share_a_model():
    model = tiny()
    images = [np.roll(disks(), 5 * number, axis=1) for number in range(6)]
    alone = [model.segment(image, device="cpu").labels for image in images]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda image: model.segment(image, device="cpu").labels, images))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(labels.any() for labels in alone)


def test_a_stack_is_gone_through_image_by_image():
    model = tiny(decode={"min_size": 5})
    stack = np.stack([disks(), np.roll(disks(), 3, axis=0), disks()])
    whole = model.segment(stack, axes="TYX")
    assert whole.labels.shape == stack.shape
    first = model.segment(stack[0])
    np.testing.assert_array_equal(whole.labels[0] > 0, first.labels > 0)
    ids = [set(np.unique(part)) - {0} for part in whole.labels]
    assert not ids[0] & ids[1]
    assert not ids[1] & ids[2]
    assert set.union(*ids) == set(range(1, whole.n_objects + 1))


def test_a_stack_cannot_be_one_prediction():
    with pytest.raises(InputError, match="a stack along Z; expected one YX image"):
        tiny().predict(np.stack([disks()] * 8))


def test_a_volume_is_seen_whole_by_a_3d_model():
    volume = np.stack([disks((40, 44))] * 20)
    prediction = tiny(ndim=3).predict(volume)
    assert prediction.outputs["embedding"].shape == (8, 20, 40, 44)
    assert prediction.decode().labels.shape == volume.shape


def test_a_3d_model_asks_for_a_volume():
    with pytest.raises(InputError, match="expected ZYX"):
        tiny(ndim=3).predict(disks())


def test_too_many_channels_are_refused_in_words():
    with pytest.raises(InputError, match=r"The image has 2 channels .*expected 3 or 1"):
        tiny(in_channels=3).predict(np.stack([disks()] * 2), axes="CYX")


def test_outputs_lie_on_the_images_grid_when_the_network_sees_a_resized_image():
    model = tiny()
    prediction = model.predict(disks(), diameter=24)
    assert prediction.shape == disks().shape
    assert not np.array_equal(prediction.outputs["embedding"], model.predict(disks()).outputs["embedding"])


def test_the_smallest_size_follows_the_diameter_that_a_user_gives(monkeypatch):
    """The model's 30 px of objects 12 px across are 120 px where they are 24 px across, and a user's 40 are 40."""
    model = tiny(decode={"min_size": 30, "bandwidth": 0.7})
    assert model.predict(disks()).parameters().min_size == 30
    told = model.predict(disks(), diameter=24).parameters()
    assert (told.min_size, told.bandwidth) == (120, 0.7)
    assert model.predict(disks(), diameter=24).parameters(min_size=40).min_size == 40
    # disks of 113 px are objects of a model that knows such, not where the user says that objects are larger
    seen = disks() > 100

    def exact(raw, offset):
        window = tuple(slice(o, o + side) for o, side in zip(offset, raw["embedding"].shape[2:], strict=True))
        small = torch.from_numpy(seen.astype(np.float32))[None, None]
        small = torch.nn.functional.interpolate(small, size=(60, 68), mode="area")
        padded = np.pad(small[0, 0].numpy(), ((0, 40), (0, 40)), mode="edge")
        right = torch.from_numpy(padded[window])[None, None]
        return {"embedding": right.repeat(1, 8, 1, 1), "foreground": right}

    for block in (module.BLOCK, 64):  # decoded on the image's grid, and block by block on the network's
        monkeypatch.setattr(module, "BLOCK", block)
        model._runners["cpu"] = module.Runner(model.network, exact, 2, "cpu")
        found = {size: model.segment(disks(), diameter=30, device="cpu", min_size=size).n_objects for size in (60, 200)}
        assert found == {60: 7 * 8, 200: 0}
        assert model.segment(disks(), diameter=30, device="cpu").n_objects == 0


def test_without_a_diameter_objects_are_as_large_as_in_the_images_that_it_learnt_from():
    """A model that was trained at half the size of its images sees half the size of others, too."""
    model, image = tiny(usual_diameter=24.0, decode={"min_size": 30}), disks()
    told, untold = model.predict(image, diameter=24), model.predict(image)
    np.testing.assert_array_equal(told.outputs["embedding"], untold.outputs["embedding"])
    assert told.parameters() == untold.parameters()
    assert untold.parameters().min_size == 120
    as_it_is = model.predict(image, diameter=12)
    np.testing.assert_array_equal(as_it_is.outputs["embedding"], tiny().predict(image).outputs["embedding"])
    assert as_it_is.parameters().min_size == 30
    np.testing.assert_array_equal(model.segment(image).labels, untold.decode().labels)


@pytest.mark.parametrize("diameter", [0, -3, 1, 700, float("nan")])
def test_an_impossible_diameter_is_refused_in_words(diameter):
    with pytest.raises(InputError, match=r"The object diameter is .* expected 1\.2 to 600 px"):
        tiny().predict(disks(), diameter=diameter)


def test_an_unknown_decode_parameter_is_refused_before_the_network_runs():
    with pytest.raises(ParameterError, match="Unknown parameter 'bandwith'"):
        next(iter(tiny().segment_events(disks(), bandwith=1)))


def test_closing_the_generator_stops_within_a_tile():
    model = tiny()
    events = model.predict_events(disks((300, 300)), tile=2 * model.network.halo + 2 * model.network.stride)
    first = next(events)
    assert isinstance(first, Progress)
    events.close()
    assert not any(isinstance(event, Result) for event in events)


def test_a_saved_model_predicts_the_same(tmp_path):
    model = tiny(in_channels=3, title="Disks")
    model.network.half().float()  # what the folder keeps
    folder = model.save(tmp_path / "modèle é")
    again = load_model(folder)
    assert again.spec == model.spec
    np.testing.assert_array_equal(
        again.predict(disks()).outputs["embedding"], model.predict(disks()).outputs["embedding"]
    )


def test_weights_of_another_network_are_refused_in_words():
    with pytest.raises(ModelError, match="do not fit its network"):
        tiny().load_weights(tiny(network={**NETWORK, "dimensions": 5}).network.state_dict())


def test_a_network_that_a_damaged_spec_claims_is_never_made(tmp_path, monkeypatch):
    folder = shutil.copytree(find_model("coloring-nuclei"), tmp_path / "model")
    spec = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    spec["network"] |= {"width": 256, "levels": 6, "blocks": 6}  # 200 GB of weights in a volume
    (folder / "model.json").write_text(json.dumps(spec | {"ndim": 3}), encoding="utf-8")
    made = []
    monkeypatch.setattr("napari_instseg.inference.model.Model", made.append)
    with pytest.raises(ModelError, match="The weights of 'coloring-nuclei' do not fit its network"):
        load_model(folder)
    assert made == []


@pytest.mark.parametrize("diameter", [1e300, 1e308, 10**400, float("inf"), float("nan"), 0, -1, 1e-320])
def test_a_diameter_that_no_object_has(diameter):
    model = tiny()
    for call in (model.predict, model.segment):
        with pytest.raises(InputError, match="diameter is"):
            call(disks((64, 64)), diameter=diameter, device="cpu")


@pytest.mark.parametrize("values", [[[1], [1, 2]], None, "a.tif", {"a": 1}, [[1, None]]])
def test_what_is_no_image(values):
    with pytest.raises(InputError):
        tiny().predict(values, device="cpu")
    with pytest.raises(InputError, match="one letter per dimension"):
        tiny().predict(disks((64, 64)), axes=["Y", "X"], device="cpu")


@pytest.mark.parametrize("method", ["discriminative", "semiconv", "coloring"])
def test_a_prediction_without_channels(method):
    found = tiny(method).predict(disks((64, 64)), device="cpu").outputs
    name = "colors" if method == "coloring" else "embedding"
    with pytest.raises(InputError, match=f"'{name}' has the shape .0, 64, 64.; expected at least one channel"):
        Prediction(method, {**found, name: found[name][:0]})
    with pytest.raises(InputError, match="is list; expected an array"):
        Prediction(method, {**found, name: found[name].tolist()})
    with pytest.raises(InputError, match="expected a mapping"):
        Prediction(method, [found[name]])


def test_three_detectors_are_no_picture_and_a_fourth_sample_is_none_unless_it_is_constant():
    model = load_model("discriminative-nuclei")
    array = np.random.default_rng(0).integers(0, 255, (64, 72, 4), dtype=np.uint8)
    with pytest.raises(InputError, match="3 channels .* that are not the colours of a picture"):
        model.segment(np.moveaxis(array[..., :3], -1, 0), axes="CYX")
    with pytest.raises(InputError, match="4 channels"):
        model.segment(array)
    array[..., 3] = 255
    seen = model.segment(array).labels
    np.testing.assert_array_equal(seen, model.segment(array[..., :3]).labels)
