"""Random numbers from a seed that was checked."""

from __future__ import annotations

from numbers import Integral

import numpy as np

from napari_instseg.core.errors import ParameterError


def rng_of(seed: int, *stream: int) -> np.random.Generator:
    """Return the random numbers of a seed.

    Parameters
    ----------
    seed : int
        0 to 2**63 - 1.
    *stream : int
        Numbers, not negative, that tell apart several streams of one seed.

    Raises
    ------
    ParameterError
        If the seed is no whole number, or out of range.
    """
    if not isinstance(seed, Integral) or not 0 <= seed < 2**63:
        raise ParameterError(f"The seed is {seed!r}; expected a whole number from 0 to {2**63 - 1}.")
    return np.random.default_rng([int(seed), *stream] if stream else int(seed))
