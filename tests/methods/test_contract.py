"""What every method must keep to, whoever wrote it: it is found and tested without being named here."""

import numpy as np
import pytest
import torch

from napari_instseg.core.errors import ParameterError
from napari_instseg.core.method import Target
from napari_instseg.methods import get_method, methods

NAMES = sorted(methods())
SMALL = {"width": 8, "levels": 2, "finest": "1", "anchor": 8}


def small_network(method, ndim=2, classes=0):
    values = {name: value for name, value in SMALL.items() if name in method.network.model_fields}
    torch.manual_seed(0)
    return method.build(method.network(**values), 1, ndim, classes)


def learn(method, network, image, labels):
    """One training call of network and loss, as the training loop makes it."""
    target = Target(labels)
    raw = network(image, None, target) if getattr(network, "needs_target", False) else network(image)
    return method.compute_loss(raw, target, method.loss())


def two_squares(ndim=2, side=16):
    """Two touching objects on a background."""
    labels = np.zeros((1, *(side,) * ndim), np.int64)
    inner = (slice(4, 12),) * (ndim - 1)
    labels[(0, *inner, slice(2, 8))] = 1
    labels[(0, *inner, slice(8, 14))] = 2
    return torch.from_numpy(labels)


def image_of(labels):
    """Different textures for different objects, so that there is something to learn."""
    rng = torch.Generator().manual_seed(0)
    noise = torch.rand(labels.shape, generator=rng)
    return ((labels > 0) * (0.5 + 0.3 * (labels % 2)) + 0.1 * noise).float()[:, None]


@pytest.fixture(params=NAMES)
def method(request):
    return get_method(request.param)


def test_every_parameter_is_told_in_words(method):
    for params in (method.network, method.loss, method.decode):
        for parameter in params.parameters():
            assert parameter.title, parameter.name
            assert len(parameter.help) > 10, parameter.name
            if parameter.kind in ("int", "float"):
                assert parameter.minimum <= parameter.default <= parameter.maximum, parameter.name
                assert 0 < parameter.step <= parameter.maximum - parameter.minimum, parameter.name
            if parameter.kind == "choice":
                assert parameter.default in parameter.choices, parameter.name
            if parameter.when:
                chooser = next(p for p in params.parameters() if p.name == parameter.when[0])
                assert set(parameter.when[1]) <= set(chooser.choices), parameter.name


def test_stages_read_declared_parameters_and_every_parameter_is_read(method):
    names = {parameter.name for parameter in method.decode.parameters()}
    choosers = [p for p in method.decode.parameters() if p.kind == "choice"]
    read = set()
    for chooser in [None, *choosers]:
        for value in chooser.choices if chooser else [None]:
            params = method.decode(**({chooser.name: value} if chooser else {}))
            stages = method.stages(params)
            assert len({stage.name for stage in stages}) == len(stages)
            for stage in stages:
                assert set(stage.reads) <= names, stage.name
                read |= set(stage.reads)
    steering = {p.name for p in method.decode.parameters() if p.kind in ("choice", "bool")}
    assert names - read <= steering, f"no stage reads {sorted(names - read - steering)}"


def test_a_plan_made_anew_is_the_same_so_that_its_results_are_remembered(method):
    """A stage made of a new function each time would be run again at every change, and all after it."""
    assert method.stages(method.decode()) == method.stages(method.decode())


@pytest.mark.parametrize("ndim", [2, 3])
@pytest.mark.parametrize("scene", ["empty", "one object", "all one object", "two", "unknown"])
def test_gradients_are_finite(method, ndim, scene):
    labels = two_squares(ndim)
    labels = {
        "empty": torch.zeros_like(labels),
        "one object": (labels == 1).long(),
        "all one object": torch.ones_like(labels),
        "two": labels,
        "unknown": torch.full_like(labels, -1),
    }[scene]
    if ndim not in method.ndims:
        with pytest.raises(ParameterError, match="2-d"):
            small_network(method, ndim)
        return
    network = small_network(method, ndim)
    network.train()
    terms = learn(method, network, image_of(two_squares(ndim)), labels)
    loss = sum(terms.values())
    assert torch.isfinite(loss), terms
    loss.backward()
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    assert gradients
    assert all(torch.isfinite(gradient).all() for gradient in gradients)
    if scene == "unknown":
        assert max(gradient.abs().max() for gradient in gradients) < 1e-6


def test_unknown_pixels_change_nothing(method):
    """Whatever the network says where the label is -1, the loss is the same."""
    labels = two_squares()
    labels[:, :, 13:] = -1
    raw = small_network(method)(image_of(two_squares()))
    changed = {name: head.clone() for name, head in raw.items()}
    for head in changed.values():
        head[..., 13:] += 3
    loss = method.loss()
    torch.manual_seed(1)
    before = method.compute_loss(raw, Target(labels), loss)
    torch.manual_seed(1)
    after = method.compute_loss(changed, Target(labels), loss)
    for name in before:
        assert before[name].item() == pytest.approx(after[name].item(), abs=1e-5), name


def test_ids_may_be_permuted(method):
    labels = two_squares()
    swapped = torch.where(labels == 1, 7, torch.where(labels == 2, 3, labels))
    raw = small_network(method)(image_of(labels))
    losses = []
    for these in (labels, swapped):
        torch.manual_seed(1)
        losses.append(float(sum(method.compute_loss(raw, Target(these), method.loss()).values()).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


def test_two_touching_objects_are_learnt_from_a_start_that_merges_them(method):
    """With its last layer near zero the network gives all pixels nearly the same answer; training tells them apart."""
    labels = two_squares(side=16)
    image = image_of(labels)
    network = small_network(method)
    last = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)][-1]
    with torch.no_grad():
        last.weight.mul_(0.01)
    torch.manual_seed(0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for step in range(1, 151):
        network.train()
        optimizer.zero_grad()
        sum(learn(method, network, image, labels).values()).backward()
        optimizer.step()
        if step % 30 == 0 and are_told_apart(segment(method, network, image), labels[0].numpy()):
            return
    raise AssertionError(f"merged after {step} steps:\n{segment(method, network, image)}")


def segment(method, network, image):
    """Predict and decode one image, with sizes that fit the small scene."""
    from napari_instseg.inference.prediction import Prediction

    network.eval()
    with torch.inference_mode():
        outputs = method.activate(network(image), (0, 0))
    layouts = {output.name: output.layout for output in method.outputs}
    arrays = {n: (t[0, 0] if layouts[n] == "map" else t[0]).numpy() for n, t in outputs.items()}
    small = {"min_size": 20, "min_cluster_size": 20}
    small = {name: size for name, size in small.items() if name in method.decode.model_fields}
    helpers = network.helpers() if hasattr(network, "helpers") else {}
    return Prediction(method.name, arrays, helpers=helpers).decode(**small).labels


def are_told_apart(found, truth):
    """Two objects are found, and each holds more than four fifths of another true one."""
    ids = [np.unique(found[truth == k], return_counts=True) for k in (1, 2)]
    best = [values[counts.argmax()] for values, counts in ids]
    whole = all(counts.max() / counts.sum() > 0.8 for _, counts in ids)
    return found.max() == 2 and 0 not in best and best[0] != best[1] and whole


def test_views_give_arrays_of_their_kind(method):
    rng = np.random.default_rng(0)
    network = small_network(method)
    network.eval()
    with torch.inference_mode():
        outputs = method.activate(network(torch.from_numpy(rng.random((1, 1, 32, 48), np.float32))), (0, 0))
    layouts = {output.name: output.layout for output in method.outputs}
    data = {n: (t[0, 0] if layouts[n] == "map" else t[0]).numpy() for n, t in outputs.items()}
    data["labels"] = np.zeros((32, 48), np.int32)
    data["labels"][4:9, 4:9] = 1
    data["score"] = np.array([0.7], np.float32)
    assert method.inspect
    for view in method.inspect:
        if not set(view.needs) <= set(data):
            continue
        array = view.compute(data)
        if view.layer == "rgb":
            assert array.shape == (32, 48, 3)
            assert array.min() >= 0
            assert array.max() <= 1
        elif view.layer in ("image", "labels"):
            assert array.shape[-2:] == (32, 48)
        elif view.layer == "points":
            assert array.ndim == 2
        else:
            assert array.shape[1:] == (2, 2)
