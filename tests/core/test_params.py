"""Parameters: what is declared is what is described, and what is out of range is said in words."""

from typing import Literal

import pytest
from pydantic import ValidationError

from napari_instseg.core.errors import ParameterError
from napari_instseg.core.params import Params, choice, flag, text, tunable


class Knobs(Params):
    bandwidth: float = tunable(0.5, 0.1, 5.0, step=0.05, unit="px", title="Bandwidth", help="More merges.")
    count: int = tunable(3, 0, 10, title="Count", help="How many.", when=("clusterer", ("k-means",)))
    clusterer: Literal["mean-shift", "k-means"] = choice("mean-shift", title="Grouping method", help="How.")
    fill: bool = flag(True, title="Fill", help="Holes.", advanced=True)
    name: str = text("x", title="Name", help="Any.")


def test_declaration_is_described_in_order():
    described = Knobs.parameters()
    assert [(p.name, p.kind, p.default) for p in described] == [
        ("bandwidth", "float", 0.5),
        ("count", "int", 3),
        ("clusterer", "choice", "mean-shift"),
        ("fill", "bool", True),
        ("name", "text", "x"),
    ]
    bandwidth, count, clusterer, fill, _ = described
    assert (bandwidth.minimum, bandwidth.maximum, bandwidth.step, bandwidth.unit) == (0.1, 5.0, 0.05, "px")
    assert (count.minimum, count.maximum, count.step) == (0, 10, 1)
    assert clusterer.choices == ("mean-shift", "k-means")
    assert fill.advanced
    assert not count.advanced


def test_float_without_step_gets_a_hundredth_of_its_range():
    class One(Params):
        a: float = tunable(1, 0, 20, title="A", help="a")

    assert One.parameters()[0].step == pytest.approx(0.2)


def test_only_parameters_of_the_chosen_clusterer_are_visible():
    assert "count" not in [p.name for p in Knobs().visible()]
    assert "count" in [p.name for p in Knobs(clusterer="k-means").visible()]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"bandwidth": 9}, "Bandwidth (bandwidth) is 9; expected a number from 0.1 to 5 px."),
        ({"count": 2.5}, "Count (count) is 2.5; expected a whole number from 0 to 10."),
        ({"clusterer": "q"}, "Grouping method (clusterer) is 'q'; expected one of 'mean-shift', 'k-means'."),
        ({"fill": "perhaps"}, "Fill (fill) is 'perhaps'; expected true or false."),
        ({"colour": 1}, "Unknown parameter 'colour'; expected one of: bandwidth, count, clusterer, fill, name."),
        ({"bandwidth": float("nan")}, "Bandwidth (bandwidth) is nan; expected a number from 0.1 to 5 px."),
    ],
)
def test_bad_values_are_refused_in_words(values, words):
    with pytest.raises(ParameterError) as error:
        Knobs(**values)
    assert str(error.value) == words


def test_the_limits_themselves_are_allowed():
    assert Knobs(bandwidth=0.1).bandwidth == 0.1
    assert Knobs(bandwidth=5).bandwidth == 5


def test_changed_keeps_the_rest_and_checks():
    knobs = Knobs(count=4).changed(bandwidth=1.0)
    assert (knobs.count, knobs.bandwidth) == (4, 1.0)
    with pytest.raises(ParameterError):
        knobs.changed(bandwidth=100)


def test_values_cannot_be_set():
    with pytest.raises(ValidationError):
        Knobs().bandwidth = 1.0


def test_a_field_without_declaration_is_an_error():
    class Bare(Params):
        a: int = 3

    with pytest.raises(TypeError, match=r"Bare\.a must be declared"):
        Bare.parameters()


def test_a_subclass_may_change_a_default():
    class Other(Knobs):
        bandwidth: float = tunable(1.5, 0.1, 5.0, title="Bandwidth", help="More merges.")

    assert Other().bandwidth == 1.5
    assert [p.name for p in Other.parameters()] == [p.name for p in Knobs.parameters()]


def test_sizes_follow_the_objects_and_all_else_stays():
    class Sizes(Params):
        area: int = tunable(30, 0, 5000, unit="px", grows="size", title="A", help="a")
        gap: float = tunable(2.0, 0.0, 100.0, unit="px", grows="length", title="G", help="g")
        share: float = tunable(0.5, 0.0, 1.0, title="S", help="s")

    assert Sizes().at_size(2.0) == Sizes(area=120, gap=4.0)
    assert Sizes().at_size(2.0, ndim=3) == Sizes(area=240, gap=4.0)
    assert Sizes().at_size(0.5) == Sizes(area=round(7.5), gap=1.0)
    assert Sizes(share=0.1).at_size(1000.0) == Sizes(area=5000, gap=100.0, share=0.1)  # within their ranges
    assert Knobs(bandwidth=0.7).at_size(3.0) == Knobs(bandwidth=0.7)
