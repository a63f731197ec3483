"""Files among images that are none: what other programs, and this one, left of earlier work."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from napari_instseg.io.stamps import PROGRAM, software_of

_CERTAIN = (
    (re.compile(r"_seg\.npy$"), "Cellpose"),
    (re.compile(r"_cp_(masks|outlines|output|flows|cellprob|styles)(\.|_|$)"), "Cellpose"),
    (
        re.compile(r"_(Simple Segmentation|Probabilities|Object Predictions|Object Identities|Uncertainty)\.", re.I),
        "ilastik",
    ),
)
"""Names that nobody gives to an image."""

_BESIDE = re.compile(
    r"[ _.-](masks?|labels?|label_?ima?ge?|outlines?|flows?|dP|cellprob|prob(abilities|abs?)?|seg(mentation)?|"
    r"pred(iction)?s?|overlay|stardist)(?=[ _.-]|$)",
    re.I,
)
"""What follows the name of an image in the name of what was found in it."""


def why_no_image(path: Path, stems: Collection[str]) -> str:
    """Say whose result a file in a folder of images is; empty if it is an image.

    Parameters
    ----------
    path : Path
    stems : collection of str
        Names of the files of the folder without their suffixes: ``a_labels`` is a result only where ``a`` is.
    """
    for pattern, program in _CERTAIN:
        if pattern.search(path.name):
            return program
    if any(path.stem[: found.start()] in stems for found in _BESIDE.finditer(path.stem)):
        return "an earlier segmentation"
    # a pipe would be waited for
    if path.is_file() and software_of(path).startswith(PROGRAM):
        return PROGRAM
    return ""
