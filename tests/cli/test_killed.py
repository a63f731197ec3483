"""A training in a process of its own, killed or stopped by Ctrl-C, goes on from its checkpoint."""

import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest

from napari_instseg.training.checkpoints import load_values

LONG = ("--steps", "100000", "--save-every", "2", "--validate-every", "100000", "--workers", "0")


def start(dots, out, quick):
    command = ["train", dots, "--method", "coloring", "--out", out, *quick, *LONG]
    code = "from napari_instseg.cli.main import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, command)],
        stderr=subprocess.PIPE,
        text=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )


def wait_for_step(out, process, step):
    path = out / "training" / "checkpoint.safetensors"
    for _ in range(2000):
        if path.exists() and load_values(path)["step"] >= step:
            return
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    raise AssertionError("no checkpoint in time")


def test_a_killed_training_goes_on_from_the_last_whole_checkpoint(instseg, dots, quick, tmp_path):
    out = tmp_path / "model"
    process = start(dots, out, quick)
    wait_for_step(out, process, 4)
    process.kill()
    process.communicate()
    done = load_values(out / "training" / "checkpoint.safetensors")["step"]
    assert not (out / "model.json").exists()
    assert instseg("train", dots, "--out", out, "--resume", "--steps", done + 2, "--validate-every", 1) == 0
    history = pd.read_csv(out / "training" / "history.csv")
    assert history["step"].tolist() == list(range(1, done + 3))
    assert (out / "model.json").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no Ctrl-C to a single process")
def test_ctrl_c_while_it_is_imported_ends_in_words():
    code = (
        "import builtins, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a job in the background may ignore it
        "from napari_instseg.cli.main import main\n"
        "true_import = builtins.__import__\n"
        "def pressed(name, *rest):\n"
        "    if name == 'rich.console':\n"
        "        builtins.__import__ = true_import\n"
        "        signal.raise_signal(signal.SIGINT)\n"
        "    return true_import(name, *rest)\n"
        "builtins.__import__ = pressed\n"
        "main(['methods'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 130
    assert done.stderr.strip() == "Stopped."


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no Ctrl-C to a single process")
def test_ctrl_c_keeps_what_was_learnt_and_says_so(dots, quick, tmp_path):
    out = tmp_path / "model"
    process = start(dots, out, quick)
    wait_for_step(out, process, 2)
    process.send_signal(signal.SIGINT)
    _, words = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "go on with the same command and --resume" in words
    assert "Traceback" not in words
    checkpoint = load_values(out / "training" / "checkpoint.safetensors")
    assert len(pd.read_csv(out / "training" / "history.csv")) == checkpoint["step"]
