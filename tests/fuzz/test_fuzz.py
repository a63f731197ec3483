"""Hostile files end in a result or in words: no other traceback, no hang, nothing outside, no code, no connection.

``INSTSEG_FUZZ`` says how many inputs (500), ``INSTSEG_FUZZ_SEED`` which ones (0), and ``INSTSEG_FUZZ_REPORT`` names a
JSON file for the counts.
"""

import json
import os
import shutil
import tempfile
import warnings
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings

from .guard import Guard
from .targets import TARGETS, outcome

INPUTS = int(os.environ.get("INSTSEG_FUZZ", "500"))
SEED = int(os.environ.get("INSTSEG_FUZZ_SEED", "0"))
REPORT = os.environ.get("INSTSEG_FUZZ_REPORT")
COUNTS: dict[str, Counter] = {}


@pytest.fixture(scope="module")
def guard():
    return Guard()


@pytest.mark.timeout(1200 if INPUTS <= 500 else 6 * 3600)
@pytest.mark.parametrize("kind", TARGETS)
def test_hostile_files_end_in_words(kind, guard):
    target, inputs, share = TARGETS[kind]
    counts = COUNTS.setdefault(kind, Counter())
    number = max(INPUTS * share // 100, 1)

    @seed(SEED)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs)
    def look(given):
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        try:
            # libraries may warn of what they find in a damaged file
            with warnings.catch_warnings(), guard.watching(folder):
                warnings.simplefilter("ignore")
                counts[outcome(target, folder, given)] += 1
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    look()
    assert sum(counts.values()) >= number // 2
    assert counts["refused"] + counts["taken in part"]
    assert counts["taken"] + counts["taken in part"]
    if REPORT:
        Path(REPORT).write_text(json.dumps(COUNTS, indent=2), encoding="utf-8")
