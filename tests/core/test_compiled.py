"""Compiled functions work where nothing can be cached."""

import numba
import numpy as np
from numba.core import caching

from napari_instseg.core.compiled import njit


def test_without_any_place_for_a_cache_it_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr(caching.CacheImpl, "_locator_classes", [])

    def total(values):
        found = 0.0
        for value in values:
            found += value
        return found

    compiled = njit(nogil=True, cache=True)(total)
    assert isinstance(compiled, numba.core.registry.CPUDispatcher)
    assert compiled(np.arange(5.0)) == 10


def test_with_a_place_it_is_cached():
    from napari_instseg.decoding import ids

    kernels = [value for value in vars(ids).values() if isinstance(value, numba.core.registry.CPUDispatcher)]
    assert kernels
    assert all(kernel._cache.cache_path for kernel in kernels)
