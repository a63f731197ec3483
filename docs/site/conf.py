"""The site: the pages of docs/, and reference pages that are made from the source. `make docs` builds it into site/."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import reference

import napari_instseg

project = "napari-instseg"
author = copyright = "the napari-instseg developers"
release = napari_instseg.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
exclude_patterns = ["measured", "site"]
html_theme = "furo"
html_title = "napari-instseg"
html_show_copyright = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
nitpicky = False
root_doc = "index"


def setup(app: object) -> None:
    """Write the reference pages before Sphinx looks for pages."""
    reference.write(Path(__file__).resolve().parents[1] / "reference")
