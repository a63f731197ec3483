"""A model: a method with its network and weights, ready to look at images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_instseg.core.device import choose_device
from napari_instseg.core.errors import InputError, ModelError, ParameterError
from napari_instseg.core.events import Event, Message, Progress, Result
from napari_instseg.core.method import Array, Method
from napari_instseg.core.params import Params
from napari_instseg.core.rows import place_rows
from napari_instseg.data.axes import to_channels
from napari_instseg.data.normalize import Normalization, Outliers, find_limits, normalize
from napari_instseg.decoding.segmentation import Segmentation
from napari_instseg.decoding.warmup import warm_up_aside
from napari_instseg.inference.prediction import Prediction
from napari_instseg.inference.rescale import own_parameters, rescale_factor, resize
from napari_instseg.inference.runner import Runner
from napari_instseg.inference.size import AUTO, OWN, Size, find_size
from napari_instseg.inference.stitch import Blocks, DoneBlocks, expand, segment_blocks
from napari_instseg.inference.tiles import TILE, DoneTiles, predict_tiles
from napari_instseg.inference.views import AveragingRunner, Looks, can_average
from napari_instseg.io.checks import check_image
from napari_instseg.io.models import FINE_TUNED_FROM, SPEC, ModelSpec, read_spec, read_weights, write_model
from napari_instseg.methods import get_method
from napari_instseg.zoo import find_model, shipped

if TYPE_CHECKING:
    import torch

SMALLEST_TILE = 32

BLOCK = 2480
"""Images with a larger side are segmented in blocks of this side, so that memory stays bounded."""

BLOCK_3D = 320
"""The same for volumes."""

MARGIN_DIAMETERS = 4
"""Blocks overlap by so many typical object diameters."""


def load_model(name_or_folder: str | Path) -> Model:
    """Open a model: one that is shipped, by name, or a folder that `instseg train` wrote.

    Parameters
    ----------
    name_or_folder : str or Path
        For example ``"coloring-nuclei"``; `instseg models` lists the names.

    Raises
    ------
    ModelError
        If there is no such model, or its folder is incomplete, damaged or made by a newer version.
        No code from the folder is ever run.
    """
    folder = find_model(name_or_folder)
    spec = read_spec(folder)
    weights = read_weights(folder)
    try:
        _check_fits(spec, weights)
        model = Model(spec)
        own_parameters(spec)
    except ParameterError as error:
        raise ModelError(f"{folder / SPEC} is not valid: {error} Copy the model folder again.") from None
    model.load_weights(weights)
    return model


def _check_fits(spec: ModelSpec, weights: Mapping[str, torch.Tensor]) -> None:
    """Compare weights and network before memory is taken for it: a damaged `model.json` may claim a huge one."""
    import torch

    method = get_method(spec.method)
    try:
        with torch.device("meta"):
            wanted = method.build(method.network(**spec.network), spec.in_channels, spec.ndim, len(spec.classes))
    except (NotImplementedError, RuntimeError):  # a method of another package that cannot do without values
        return
    shapes = {name: tuple(tensor.shape) for name, tensor in wanted.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in weights.items()}
    wrong = sorted(name for name in shapes.keys() | found.keys() if shapes.get(name) != found.get(name))
    if wrong:
        raise ModelError(
            f"The weights of '{spec.name}' do not fit its network: {len(wrong)} of {len(shapes)} arrays are missing, "
            f"unknown or of another shape, such as '{wrong[0]}'. Copy the model folder again."
        )


@dataclass(frozen=True)
class Plane:
    """One image as the network will see it: channels first, with what normalises it.

    Parameters
    ----------
    channels : array (C, *S)
        Or what has a `shape` and gives such an array for slices, so that an image need not be in memory.
    between : array (C, 2)
        See `napari_instseg.data.normalize.find_limits`.
    unusual : Outliers, optional
        What was hidden.
    runner : Looks
        One view of each tile, or several.
    """

    channels: Any
    between: Array
    unusual: Outliers | None
    runner: Looks


@dataclass
class Done:
    """What is done of one image, so that a run that was stopped is shown as far as it came, and goes on from there.

    It is filled by `Model.predict_events` (tiles) or `Model.segment_events` (blocks of a large image), and holds for
    the same image, model, object size, and for blocks the same parameters.
    """

    tiles: DoneTiles = field(default_factory=DoneTiles)
    blocks: DoneBlocks = field(default_factory=DoneBlocks)

    @property
    def count(self) -> tuple[int, int]:
        """So many tiles or blocks, of so many."""
        return (
            (len(self.blocks.facts), self.blocks.total)
            if self.blocks.total
            else (len(self.tiles.cores), self.tiles.total)
        )


class Model:
    """A method with its network.

    Parameters
    ----------
    spec : ModelSpec
        What the model folder says of the model. The weights are random until `load_weights`.
    """

    def __init__(self, spec: ModelSpec) -> None:
        self.spec = spec
        self.method: Method = get_method(spec.method)
        self.network_params: Params = self.method.network(**spec.network)
        self.normalization = Normalization(**spec.normalization)
        self.network: Any = self.method.build(self.network_params, spec.in_channels, spec.ndim, len(spec.classes))
        self.network.eval()
        self._runners: dict[str, Runner] = {}

    def load_weights(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over weights by name.

        Raises
        ------
        ModelError
            If names or shapes are not those of the network.
        """
        try:
            self.network.load_state_dict(weights)
        except RuntimeError as error:
            raise ModelError(
                f"The weights of '{self.spec.name}' do not fit its network: {error}. Copy the model folder again."
            ) from None
        self._runners.clear()

    def save(self, folder: str | Path) -> Path:
        """Write the model folder: `model.json`, `weights.safetensors` and the card."""
        return write_model(folder, self.spec, self.network.state_dict())

    def predict(
        self,
        image: Array,
        *,
        axes: str | None = None,
        diameter: float | str | None = None,
        device: str = "auto",
        tile: int = TILE,
        accurate: bool = False,
    ) -> Prediction:
        """Run the network on one image, in tiles where it is large.

        Parameters
        ----------
        image : array
            (Y, X), (Y, X, 3), (C, Y, X), or for a 3-d model (Z, Y, X); any real number type.
        axes : str, optional
            One letter of C, Z, Y, X per dimension, where the shape alone does not say.
        diameter : float, str, optional
            Typical object diameter in the image, in pixels; the image is resized to what the model knows. ``"auto"``:
            found by `find_size`. None or ``"model"``: as in the images that the model learnt from.
        device : {"auto", "cuda", "mps", "cpu"}
            Where the network runs.
        tile : int
            Side of the window that the network sees at once, in pixels. Less takes less memory.
        accurate : bool
            Average over what the network says of the image as it is, turned, mirrored and at other sizes, see
            `napari_instseg.inference.views`. Takes some four times as long.

        Returns
        -------
        Prediction
            Decode it with ``prediction.decode()``.

        Raises
        ------
        InputError
            If the image cannot be segmented with this model; the message says what to do.
        """
        prediction: Prediction = _last(
            self.predict_events(image, axes=axes, diameter=diameter, device=device, tile=tile, accurate=accurate)
        )
        return prediction

    def predict_events(
        self,
        image: Array,
        *,
        axes: str | None = None,
        diameter: float | str | None = None,
        device: str = "auto",
        tile: int = TILE,
        accurate: bool = False,
        done: Done | None = None,
    ) -> Iterator[Event]:
        """Do as `predict` does, yielding progress in tiles and last the prediction; with `done`, going on from it."""
        _check_tile(tile)
        if accurate:
            self.check_accurate()
        channels, stack = self.as_channels(image, axes)
        if stack:
            raise InputError(
                f"The image is a stack along {', '.join(stack)}; expected one {self._spatial} image. "
                "Pick one image of it, or call segment(), which goes through the stack."
            )
        diameter = self._diameter(diameter, channels, device)
        own = own_parameters(self.spec, diameter)
        warm_up_aside(self.method, own, len(self.spec.classes))
        plane = self._prepare(channels, diameter, device, accurate)
        yield from self._predict_window(plane, channels.shape[1:], None, tile, own, done.tiles if done else None)

    def segment(
        self,
        image: Array,
        *,
        axes: str | None = None,
        diameter: float | str | None = None,
        device: str = "auto",
        tile: int = TILE,
        accurate: bool = False,
        **decode: Any,
    ) -> Segmentation:
        """Predict and decode, with memory that does not grow with the image; stacks image by image.

        Parameters
        ----------
        image, axes, diameter, device, tile, accurate
            As for `predict`; axes other than C that the model does not see (T, or Z for a 2-d model) are a stack of
            independent images.
        **decode
            Decode parameters that differ from the model's.

        Returns
        -------
        Segmentation
            Labels have the stack's axes first, and ids that are unique over all of it.
        """
        found: Segmentation = _last(
            self.segment_events(
                image, axes=axes, diameter=diameter, device=device, tile=tile, accurate=accurate, **decode
            )
        )
        return found

    def segment_events(
        self,
        image: Array,
        *,
        axes: str | None = None,
        diameter: float | str | None = None,
        device: str = "auto",
        tile: int = TILE,
        accurate: bool = False,
        done: Done | None = None,
        **decode: Any,
    ) -> Iterator[Event]:
        """Do as `segment` does, yielding progress and last the segmentation; with `done`, going on from its blocks."""
        _check_tile(tile)
        if accurate:
            self.check_accurate()
        own_parameters(self.spec, None, **decode)  # what is wrong is told before anything is computed
        channels, stack = self.as_channels(image, axes)
        diameter = self._diameter(diameter, _middle(channels, len(stack)), device)
        params = own_parameters(self.spec, diameter, **decode)
        warm_up_aside(self.method, params, len(self.spec.classes))
        if not stack:
            plane = self._prepare(channels, diameter, device, accurate)
            yield from self._segment_plane(plane, channels.shape[1:], params, tile, done.blocks if done else None)
            return
        ndim, counts = self.spec.ndim, channels.shape[: len(stack)]
        parts: list[Segmentation] = []
        told: list[Message] = []
        for index in product(*map(range, counts)):
            yield Progress(len(parts), int(np.prod(counts)), "images")
            plane = self._prepare(channels[index], diameter, device, accurate)
            for event in self._segment_plane(plane, channels.shape[-ndim:], params, tile):
                if isinstance(event, Result):
                    parts.append(event.value)
                elif isinstance(event, Message) and event not in told:
                    told.append(event)
                    yield event
        yield Progress(len(parts), len(parts), "images")
        yield Result(_stack(parts, counts, stack + self._spatial))

    def segment_done(
        self,
        image: Array,
        done: Done,
        *,
        axes: str | None = None,
        diameter: float | None = None,
        device: str = "auto",
        **decode: Any,
    ) -> Segmentation:
        """Find the objects in what a run that was stopped had done of an image; elsewhere there are none.

        Parameters
        ----------
        image, axes, diameter, device, **decode
            Those of the run.
        done : Done
            That the run filled; it stays as it is.
        """
        channels, _ = self.as_channels(image, axes)
        shape, params = channels.shape[1:], own_parameters(self.spec, diameter, **decode)
        plane = self._prepare(channels, diameter, device)
        if done.blocks.total:
            found: Segmentation = _last(self._segment_plane(plane, shape, params, TILE, done.blocks, only_done=True))
            return found
        prediction: Prediction = _last(
            self._predict_window(plane, shape, None, TILE, params, done.tiles, only_done=True)
        )
        factor = [new / old for new, old in zip(shape, plane.channels.shape[1:], strict=True)]
        cores = tuple(
            tuple(slice(round(p.start * f), round(p.stop * f)) for p, f in zip(core, factor, strict=True))
            for core in done.tiles.cores
        )
        # tiles are done in raster order: what lies before one, along each axis, is done
        margin = [round(self._margin * f) for f in factor]
        windows = tuple(
            tuple(slice(max(0, p.start - m), p.stop) for p, m in zip(core, margin, strict=True)) for core in cores
        )

        def decode_window(window: tuple[slice, ...]) -> Iterator[Event]:
            yield Result(_columns(prediction.pipeline.run(params, window)))

        joined = _last(segment_blocks(Blocks(shape, windows, cores), decode_window))
        return Segmentation(joined["labels"], joined.get("score"), joined.get("class_id"))

    def find_size(self, image: Array, *, axes: str | None = None, device: str = "auto") -> Size:
        """Find how large the objects of an image are, by a few looks at a part of it; of a stack, at its middle.

        Parameters
        ----------
        image, axes, device
            As for `segment`.

        Returns
        -------
        Size
            The model's own diameter, not found, where the model has not learnt objects of many sizes.
        """
        channels, stack = self.as_channels(image, axes)
        return self._find_size(_middle(channels, len(stack)), device)

    def _diameter(self, diameter: float | str | None, channels: Array, device: str) -> float | None:
        if diameter == AUTO:
            return self._find_size(channels, device).diameter
        if diameter == OWN:
            return None
        if isinstance(diameter, str):
            raise ParameterError(f"The diameter is '{diameter}'; expected a number of pixels, '{AUTO}' or '{OWN}'.")
        return diameter

    def _find_size(self, channels: Array, device: str) -> Size:
        if self.spec.ndim != 2 or not self.spec.knows_sizes or not self._predicts_foreground:
            return Size(self.spec.presumed_diameter, 0.0, False)
        between, unusual = find_limits(channels, self.normalization)
        if unusual is not None:
            channels = unusual.hide(channels)
        own = own_parameters(self.spec, self.spec.diameter)

        def predict(part: Array) -> Prediction:
            plane = Plane(part, between, unusual, self._runner(device))
            found: Prediction = _last(self._predict_window(plane, part.shape[1:], None, TILE, own))
            return found

        return find_size(channels, self.spec, predict)

    @cached_property
    def _predicts_foreground(self) -> bool:
        return "foreground" in getattr(
            self.network, "heads", getattr(getattr(self.network, "network", None), "heads", {})
        )

    @property
    def _knows_colors(self) -> bool:
        """Whether its three channels are red, green and blue: so in shipped models and what was made from them."""
        names = {self.spec.name, self.spec.training.get(FINE_TUNED_FROM)}
        return not names.isdisjoint(shipped())

    @property
    def _spatial(self) -> str:
        return "ZYX"[-self.spec.ndim :]

    def as_channels(self, image: Array, axes: str | None, *, is_part: bool = False) -> tuple[Array, str]:
        """Bring the image into the order ``(stack..., C, *spatial)``, with as many channels as the model takes.

        It may be a part of a larger one, see `check_image`.
        """
        array, axes = check_image(image, axes, is_part=is_part)
        channels, stack = to_channels(array, axes, self._spatial)
        wanted, found = self.spec.in_channels, channels.shape[len(stack)]
        if found == 1 and wanted > 1:
            shape = (*channels.shape[: len(stack)], wanted, *channels.shape[len(stack) + 1 :])
            return np.broadcast_to(channels, shape), stack
        is_picture = axes.endswith("C")  # channels of detectors stand before Y and X
        if found == 4 and is_picture and np.ptp(array[..., 3]) == 0:  # transparency that hides nothing
            found, channels = 3, channels[(slice(None),) * len(stack) + (slice(0, 3),)]
        if found == 3 and wanted == 1 and is_picture:
            return channels.mean(axis=len(stack), keepdims=True, dtype=np.float32), stack
        if found == 3 and wanted == 3 and not is_picture and self._knows_colors:
            raise InputError(
                f"The image has 3 channels (axes {axes}, shape {array.shape}) that are not the colours of a picture, "
                f"which '{self.spec.name}' was trained on. Choose one channel; if they are red, green and blue, give "
                "them last, as (Y, X, 3)."
            )
        if found != wanted:
            expected = f"{wanted} or 1" if wanted > 1 else "1"
            raise InputError(
                f"The image has {found} channels (axes {axes}, shape {array.shape}); expected {expected}, as "
                f"'{self.spec.name}' was trained. Choose one channel, or say what the axes are."
            )
        return channels, stack

    def _prepare(self, channels: Array, diameter: float | None, device: str, accurate: bool = False) -> Plane:
        between, unusual = find_limits(channels, self.normalization)
        if unusual is not None:
            channels = unusual.hide(channels)
        factor = rescale_factor(self.spec, diameter)
        if factor != 1:
            channels = resize(channels, tuple(max(1, round(side * factor)) for side in channels.shape[1:]))
        return self.plane(channels, between, device, unusual, accurate)

    def plane(
        self,
        channels: Any,
        between: Array,
        device: str = "auto",
        unusual: Outliers | None = None,
        accurate: bool = False,
    ) -> Plane:
        """Make an image ready for the network, of which the parts may be read only when they are looked at.

        Parameters
        ----------
        channels, between, unusual
            See `Plane`; the image has the size and the channels that the network is to see.
        device, accurate
            As for `predict`.
        """
        runner = self._runner(device)
        if not accurate:
            return Plane(channels, between, unusual, runner)
        self.check_accurate()
        return Plane(channels, between, unusual, AveragingRunner(runner, self.method.outputs, self.network.stride))

    def check_accurate(self) -> None:
        """Check that what the network says can be averaged over views.

        Raises
        ------
        ParameterError
            If not; the message says what to do.
        """
        if not can_average(self.method):
            raise ParameterError(
                f"'{self.spec.name}' cannot average over views: what a network of the {self.method.name} method says "
                "of a turned image cannot be compared. Leave accurate out, or take a model of another method, such as "
                "discriminative."
            )

    def _runner(self, device: str) -> Runner:
        name = choose_device(device).name
        if name not in self._runners:
            self._runners[name] = Runner(self.network, self.method.activate, self.spec.ndim, name)
        return self._runners[name]

    def blocks(self, shape: Sequence[int], side: int | None = None) -> Blocks:
        """Cover an image, as the network sees it, with the blocks in which it is segmented.

        Parameters
        ----------
        shape : sequence of int
            (Y, X), or (Z, Y, X) of a 3-d model.
        side : int, optional
            Of a block with its margins, in pixels.
        """
        side = side or (BLOCK if self.spec.ndim == 2 else BLOCK_3D)
        return Blocks.split(shape, side, self._margin, self.network.stride)

    @property
    def _margin(self) -> int:
        return round(MARGIN_DIAMETERS * self.spec.diameter)

    @property
    def _block_halo(self) -> int:
        """How far around a block's window the network must look.

        What lies as far as the network's halo from where its view ends is as in the whole image. So margin and halo
        together hold that halo and a typical object: all that touches the core is seen as in the whole image.
        """
        return int(max(self.network.stride, self.network.halo + round(self.spec.diameter) - self._margin))

    def _predict_window(
        self,
        plane: Plane,
        shape: tuple[int, ...],
        window: tuple[slice, ...] | None,
        tile: int,
        params: Params,
        done: DoneTiles | None = None,
        *,
        only_done: bool = False,
    ) -> Iterator[Event]:
        """Predict the whole image of this shape, or a window of it that the network sees with its surroundings."""
        full = plane.channels.shape[1:]
        halo, stride = self.network.halo, self.network.stride
        read = expand(window, full, self._block_halo, stride) if window else tuple(slice(0, side) for side in full)
        origin = tuple(part.start for part in read)

        def run(part: Array, offset: tuple[int, ...]) -> dict[str, Array]:
            return plane.runner(normalize(part, self.normalization, plane.between), offset, full)

        outputs: dict[str, Array] = {}
        for event in predict_tiles(
            run,
            plane.channels[(slice(None), *read)],
            tile=tile,
            halo=halo,
            stride=stride,
            offset=origin,
            release=plane.runner.release,
            done=done,
            only_done=only_done,
        ):
            if isinstance(event, Result):
                outputs = dict(event.value)
            else:
                yield event
        if window:
            inner = tuple(slice(w.start - r.start, w.stop - r.start) for w, r in zip(window, read, strict=True))
            start = [-part.start for part in inner]
            outputs = {
                name: place_rows(array, start) if array.ndim == 2 else array[(slice(None), *inner)]
                for name, array in outputs.items()
            }
            shape = tuple(part.stop - part.start for part in window)
        declared = {output.name: output for output in self.method.outputs}
        seen = tuple(part.stop - part.start for part in window or read)
        factor = [new / old for new, old in zip(shape, seen, strict=True)]
        outputs = {
            name: place_rows(array, (0,) * len(shape), factor) if array.ndim == 2 else resize(array, shape)
            for name, array in outputs.items()
        }
        for name, array in outputs.items():
            if declared[name].in_pixels and seen != shape:
                outputs[name] = array * np.float32(np.mean(factor))
        yield Result(
            Prediction(
                self.method.name,
                {name: array[0] if declared[name].layout == "map" else array for name, array in outputs.items()},
                params.model_dump(),
                self.network.helpers() if hasattr(self.network, "helpers") else {},
            )
        )

    def _segment_plane(
        self,
        plane: Plane,
        shape: tuple[int, ...],
        params: Params,
        tile: int,
        done: DoneBlocks | None = None,
        *,
        only_done: bool = False,
    ) -> Iterator[Event]:
        if plane.unusual is not None:
            yield Message(f"The image is unusual: {plane.unusual.why}. They were taken for background.")
        full = plane.channels.shape[1:]
        if max(full) <= (BLOCK if self.spec.ndim == 2 else BLOCK_3D):
            for event in self._predict_window(plane, shape, None, tile, params):
                if not isinstance(event, Result):
                    yield event
                    continue
                yield Result(event.value.pipeline.run(params))
            return
        params = self.at_network_size(params, full, shape)
        blocks = self.blocks(full)
        for event in segment_blocks(
            blocks, lambda window: self.segment_window(plane, window, params, tile), done, only_done=only_done
        ):
            if isinstance(event, Result):
                found = event.value
                labels = nearest(found["labels"], shape)
                yield Result(Segmentation(labels, found.get("score"), found.get("class_id")))
            else:
                yield event

    def at_network_size(self, params: Params, seen: Sequence[int], shape: Sequence[int]) -> Params:
        """Return the parameters for an image of this shape that the network sees in another, as blocks do."""
        factor = np.mean([new / old for new, old in zip(seen, shape, strict=True)])
        return params.at_size(float(factor), self.spec.ndim)

    def segment_window(
        self, plane: Plane, window: tuple[slice, ...], params: Params, tile: int = TILE
    ) -> Iterator[Event]:
        """Segment a window of an image by itself, on the grid that the network sees.

        Yields
        ------
        Progress, Message
            Of the network's tiles.
        Result
            At last: ``labels`` (int32, 1 to n) and, where known, ``score`` and ``class_id``, a row per object.
        """
        for event in self._predict_window(plane, plane.channels.shape[1:], window, tile, params):
            if isinstance(event, Result):
                yield Result(_columns(event.value.pipeline.run(params)))
            else:
                yield event


def _columns(found: Segmentation) -> dict[str, Array]:
    """Return the labels, and what is known of each object."""
    columns = {"score": found.score, "class_id": found.class_id}
    return {"labels": found.labels, **{name: column for name, column in columns.items() if column is not None}}


def _middle(channels: Array, stacked: int) -> Array:
    """Return the middle image of a stack."""
    middle: Array = channels[tuple(size // 2 for size in channels.shape[:stacked])]
    return middle


def _check_tile(tile: int) -> None:
    if not isinstance(tile, Integral) or tile < SMALLEST_TILE:
        raise ParameterError(f"The tile is {tile!r}; expected a whole number of pixels, {SMALLEST_TILE} or more.")


def nearest(labels: Array, shape: tuple[int, ...]) -> Array:
    """Bring a label image to another grid by its nearest pixels."""
    if labels.shape == shape:
        return labels
    picks = [
        np.minimum(((np.arange(new) + 0.5) * old / new).astype(int), old - 1)
        for new, old in zip(shape, labels.shape, strict=True)
    ]
    return labels[np.ix_(*picks)]


def _stack(parts: list[Segmentation], counts: tuple[int, ...], axes: str) -> Segmentation:
    """Join the segmentations of a stack's images, in order, with ids that are unique over all of them."""
    starts = np.cumsum([0] + [part.n_objects for part in parts[:-1]])
    labels = np.stack([part.labels + start * (part.labels > 0) for part, start in zip(parts, starts, strict=True)])

    def joined(columns: list[Any]) -> Any:
        return None if columns[0] is None else np.concatenate(columns)

    return Segmentation(
        labels.astype(np.int32).reshape(*counts, *parts[0].labels.shape),
        joined([part.score for part in parts]),
        joined([part.class_id for part in parts]),
        axes=axes,
        covered=None
        if any(part.covered is None for part in parts)
        else np.concatenate(
            [
                _placed(part, start, np.unravel_index(i, counts))
                for i, (part, start) in enumerate(zip(parts, starts, strict=True))
            ]
        ),
    )


def _placed(part: Segmentation, above: int, index: Sequence[Any]) -> Array:
    """Return what is covered in one image of a stack, with ids above those of the images before, and its place."""
    covered = part.covered
    assert covered is not None
    ahead = np.tile(np.asarray(index, np.int32), (len(covered), 1))
    return np.concatenate([covered[:, :1] + np.int32(above), ahead, covered[:, 1:]], axis=1).astype(np.int32)


def _last(events: Iterator[Event]) -> Any:
    """Run to the end and give the result."""
    value = None
    for event in events:
        if isinstance(event, Result):
            value = event.value
    return value
