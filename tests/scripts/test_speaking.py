"""A command that falls silent is ended with a word; one that speaks, however long it runs, is not."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "speaking.py"


def run(seconds, code):
    command = [sys.executable, SCRIPT, str(seconds), sys.executable, "-X", "faulthandler", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_what_falls_silent_is_ended_with_a_word():
    found = run(1, "import time; print('one', flush=True); time.sleep(600)")
    assert found.returncode == 124
    assert found.stdout.startswith("one")
    assert "Nothing was said for 1 s, so this was ended" in found.stdout


def test_what_ends_gives_its_output_and_status():
    found = run(60, "import sys; print('one', flush=True); print('two', file=sys.stderr); sys.exit(3)")
    assert (found.returncode, found.stdout.split()) == (3, ["one", "two"])
