"""Units in every spelling that files and viewers use."""

import pytest

from napari_instseg.core.units import micrometres, seconds


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        *((name, 1.0) for name in ("µm", "\u03bcm", "um", "\\u00B5m", "micron", "Microns", "Micrometres", "u")),
        *((name, 1e-3) for name in ("nm", "nanometer", "nanometres")),
        *((name, 1e3) for name in ("mm", "millimetre", "MM", "millimeters")),
        *((name, 1e4) for name in ("cm", "centimetres")),
        *((name, 1e6) for name in ("m", "meter", "metre", "metres")),
        *((name, 25400.0) for name in ("in", "inch", "inches")),
        *((name, 1e-4) for name in ("Å", "\u212b", "angstrom", "Angstroms", "Ångström")),
        ("foot", 304800.0),
        ("pm", 1e-6),
        ("km", 1e9),
        ("pixel", None),
        ("reference frame", None),
        ("", None),
        ("s", None),
    ],
)
def test_length(unit, length):
    assert micrometres(unit) == (length and pytest.approx(length))


@pytest.mark.parametrize(
    ("unit", "length"),
    [
        *((name, 1.0) for name in ("s", "sec", "secs", "second", "seconds")),
        *((name, 1e-3) for name in ("ms", "msec", "milliseconds")),
        *((name, 60.0) for name in ("min", "mins", "minute", "minutes")),
        *((name, 3600.0) for name in ("h", "hr", "hours")),
        ("day", 86400.0),
        ("um", None),
        ("frame", None),
    ],
)
def test_time(unit, length):
    assert seconds(unit) == (length and pytest.approx(length))
