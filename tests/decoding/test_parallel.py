from concurrent.futures import ThreadPoolExecutor

import pytest

from napari_instseg.decoding import parallel


class Leaving(ThreadPoolExecutor):
    """Takes so many pieces of work and then none, as Python's own does once the program ends."""

    def __init__(self, takes):
        super().__init__(1)
        self.takes = takes

    def submit(self, *args, **kwargs):
        self.takes -= 1
        if self.takes < 0:
            self.shutdown()
        return super().submit(*args, **kwargs)


@pytest.mark.parametrize("takes", [0, 1, 2, 9])
def test_bands_are_done_in_order_also_while_python_exits(monkeypatch, takes):
    monkeypatch.setattr(parallel, "_cores", lambda: 4)
    pool = Leaving(takes)
    monkeypatch.setattr(parallel, "_pool", lambda: pool)
    found = parallel.in_bands(lambda name, start, stop: (name, start, stop), 40, "x")
    assert found == [("x", 0, 10), ("x", 10, 20), ("x", 20, 30), ("x", 30, 40)]
    pool.shutdown()
