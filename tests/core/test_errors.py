"""Messages can be shown and written anywhere, whatever names they hold."""

import pytest

from napari_instseg.core import errors


@pytest.mark.parametrize("kind", [e for e in vars(errors).values() if isinstance(e, type)])
def test_a_name_that_is_no_text_is_spelt_out(kind):
    error = kind("'ze\udcffllen \ud800.tif' is damaged.")
    assert str(error) == "'ze\\udcffllen \\ud800.tif' is damaged."
    assert str(error).encode("utf-8")
    assert isinstance(error, errors.InstsegError)
