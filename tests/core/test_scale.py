"""The scale of a slider: monotone, on the grid of steps, and there and back again."""

import pytest

from napari_instseg.core.params import Params, text, tunable
from napari_instseg.core.scale import decimals, share_of, value_at


class Numbers(Params):
    even: float = tunable(5.0, 0.0, 10.0, step=0.5, title="Even", help="h")
    bent: int = tunable(30, 0, 5000, unit="px", title="Bent", help="h")
    word: str = text("abc", title="Word", help="h")


@pytest.mark.parametrize("name", ["even", "bent"])
def test_every_part_of_the_range_is_reached(name):
    parameter = {p.name: p for p in Numbers.parameters()}[name]
    values = [value_at(parameter, position / 1000) for position in range(1001)]
    assert values[0] == parameter.minimum
    assert values[-1] == parameter.maximum
    assert values == sorted(values)
    steps = {round((value - parameter.minimum) / parameter.step, 6) % 1 for value in values}
    assert steps == {0.0}
    assert share_of(parameter, parameter.default) >= 0.2, "no room for values below the default"
    for value in values:
        assert value_at(parameter, share_of(parameter, value)) == value


def test_values_out_of_the_range_lie_at_its_ends_and_words_have_none():
    even, _, word = Numbers.parameters()
    assert share_of(even, -3) == 0
    assert share_of(even, 99) == 1
    with pytest.raises(TypeError, match="word is a text"):
        value_at(word, 0.5)


def test_digits_tell_steps_apart():
    assert [decimals(step) for step in (1, 0.5, 0.1, 0.05, 0.01)] == [0, 1, 1, 2, 2]
