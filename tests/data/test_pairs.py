"""The split is seeded, leaves no pair out and takes names."""

import pytest

from napari_instseg.core.errors import InputError
from napari_instseg.data.pairs import Pair, listed, split_pairs


def no_reading():
    raise AssertionError("a split reads nothing")


PAIRS = tuple(Pair(f"img{i:02}", no_reading) for i in range(20))


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.01, 1), (0.25, 5), (0.99, 19), (1.0, 20)])
def test_every_pair_is_on_one_side(share, count):
    train, held_out = split_pairs(PAIRS, share, seed=3)
    assert len(held_out) == count
    assert sorted(pair.name for pair in train + held_out) == [pair.name for pair in PAIRS]


def test_same_seed_same_split_whatever_the_order():
    names = {pair.name for pair in split_pairs(PAIRS, 0.3, seed=1)[1]}
    assert {pair.name for pair in split_pairs(PAIRS[::-1], 0.3, seed=1)[1]} == names
    assert {pair.name for pair in split_pairs(PAIRS, 0.3, seed=2)[1]} != names


def test_by_name():
    train, held_out = split_pairs(PAIRS, ["img07", "img03"])
    assert [pair.name for pair in held_out] == ["img03", "img07"]
    assert len(train) == 18


def test_refused():
    with pytest.raises(InputError, match="no image named 'nobody'; expected names without suffix"):
        split_pairs(PAIRS, ["img03", "nobody"])
    with pytest.raises(InputError, match="from 0 to 1"):
        split_pairs(PAIRS, 1.5)


def test_listed_in_words():
    assert listed(["a", "b"]) == "'a', 'b'"
    assert listed(list("abcdefgh")) == "'a', 'b', 'c', 'd', 'e' and 3 more"
