"""Processor time of calls."""

import time

from napari_instseg.reproduce.timing import LEAST, cpu_seconds


def test_waiting_takes_no_processor_time_and_work_takes_its_own():
    calls = []

    def work():
        calls.append(time.process_time())
        time.sleep(0.01)
        sum(range(300_000))

    seconds = cpu_seconds(work)
    used = time.process_time() - calls[0]
    assert len(calls) * seconds >= LEAST
    assert 0 < seconds <= used / len(calls) * 1.01
