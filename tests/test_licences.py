"""What this package needs may be used as freely as itself: no copyleft licence among its dependencies' dependencies."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"

COPYLEFT = re.compile(r"\b(?:A?GPL|LGPL|GNU|AFFERO|EUPL|SSPL|CC-BY-SA)", re.IGNORECASE)

ALLOWED = {
    # LGPL, and only one of two Qt bindings of the extra `napari`, loaded as a library that a user may replace
    "pyside6": "LGPL-3.0",
    "pyside6-essentials": "LGPL-3.0",
    "pyside6-addons": "LGPL-3.0",
    "shiboken6": "LGPL-3.0",
}

SILENT = {
    "cuda-toolkit",  # an empty package of NVIDIA that only names others
}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def licence_of(name):
    """What a distribution says: its expression, else its classifiers, else the first line of its free text."""
    about = metadata.metadata(name)
    if about.get("License-Expression"):
        return about["License-Expression"]
    classified = [entry for entry in about.get_all("Classifier") or () if entry.startswith("License ::")]
    if classified:
        return "; ".join(entry.rpartition(" :: ")[2] for entry in classified)
    return (about.get("License") or "").strip().split("\n")[0]


def is_copyleft(licence):
    """Whether every licence that one may choose is copyleft: "MIT OR GPL-2.0-only" may be taken as MIT."""
    choices = re.split(r"\s+OR\s+", licence) if " OR " in licence else [licence]
    return all(
        COPYLEFT.search(re.sub(r"\S+\s+WITH\s+\S*exception\S*", "", choice, flags=re.IGNORECASE)) for choice in choices
    )


def closure(requirements):
    """Names of all that these requirements bring, here and now."""
    found, todo = {}, [(Requirement(text), "") for text in requirements]
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = normal(requirement.name)
        try:
            needs = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue  # of another extra, or not installed: nothing of it can be read
        for wanted in {"", *requirement.extras}:
            if wanted not in found.setdefault(name, set()):
                found[name].add(wanted)
                todo += [(Requirement(text), wanted) for text in needs]
    return set(found)


def declared(*extras):
    project = tomllib.loads(PROJECT.read_text())["project"]
    return project["dependencies"] + [text for extra in extras for text in project["optional-dependencies"][extra]]


def test_no_dependency_is_copyleft():
    names = closure(declared("napari", "backbones"))
    assert {"numpy", "torch", "scipy", "scikit-image", "llvmlite"} <= names  # those of dependencies too
    wrong = {name: licence_of(name) for name in sorted(names - set(ALLOWED)) if is_copyleft(licence_of(name))}
    assert not wrong, f"copyleft among the dependencies: {wrong}"


def test_every_base_dependency_states_a_licence():
    unsaid = {name for name in closure(declared()) if not licence_of(name)} - SILENT
    assert not unsaid, f"no licence is stated by {unsaid}: read it, and add it here with what it says"


def test_a_base_install_brings_no_exception():
    assert not closure(declared()) & set(ALLOWED)


@pytest.mark.parametrize(
    ("licence", "copyleft"),
    [
        ("GPL", True),
        ("GNU General Public License v3 (GPLv3)", True),
        ("LGPL-3.0-only", True),
        ("AGPL-3.0-or-later", True),
        ("BSD-3-Clause", False),
        ("MIT OR GPL-2.0-only", False),
        ("LGPL-3.0-only OR GPL-2.0-only", True),
        ("BSD-3-Clause AND GPL-3.0-only WITH GCC-exception-3.1", False),
        ("MPL-2.0", False),
    ],
)
def test_copyleft_is_told_from_permissive(licence, copyleft):
    assert bool(is_copyleft(licence)) == copyleft
