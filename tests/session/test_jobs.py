"""Jobs end when they are told to, and their generators are closed by then."""

import threading
import time

from napari_instseg.core.errors import InputError
from napari_instseg.core.events import Progress, Result
from napari_instseg.session.jobs import BackgroundJob, Ended, Latest


def test_a_job_hands_over_its_events_in_order_and_then_its_end(loop):
    said = []

    def operation():
        yield Progress(1, 2, "tiles")
        yield Result(7)

    BackgroundJob(operation(), said.append, loop)
    loop.run_until(lambda: Ended() in said)
    assert said == [Progress(1, 2, "tiles"), Result(7), Ended()]


def test_events_are_received_in_the_thread_of_the_loop(loop):
    threads = []

    def operation():
        yield Progress(0, 1, "tiles")

    job = BackgroundJob(operation(), lambda event: threads.append(threading.current_thread()), loop)
    loop.run_until(lambda: len(threads) == 2)
    assert set(threads) == {threading.current_thread()}
    assert job.wait(5)


def test_a_stopped_job_has_closed_its_generator_before_it_says_so(loop):
    closed, said = [], []

    def operation():
        try:
            while True:
                time.sleep(0.005)
                yield Progress(0, 0, "tiles")
        finally:
            closed.append(threading.current_thread().name)

    def receive(event):
        said.append((event, list(closed)))

    job = BackgroundJob(operation(), receive, loop)
    loop.run_until(lambda: len(said) >= 3)
    job.stop()
    loop.run_until(lambda: isinstance(said[-1][0], Ended))
    assert said[-1] == (Ended(stopped=True), ["instseg-job"])
    assert isinstance(said[-2][0], Progress), "what it was at when it was told to stop"


def test_errors_come_in_words(loop, caplog):
    said = []

    def refusing():
        yield Progress(0, 1, "tiles")
        raise InputError("The image is empty.")

    def failing():
        raise ZeroDivisionError("1/0")
        yield

    BackgroundJob(refusing(), said.append, loop)
    loop.run_until(lambda: len(said) == 2)
    assert said[-1] == Ended("The image is empty.")
    assert not caplog.records
    BackgroundJob(failing(), said.append, loop)
    loop.run_until(lambda: len(said) == 3)
    assert "ZeroDivisionError" in said[-1].error
    assert "Traceback" in caplog.text


def test_only_the_newest_request_is_worked_on():
    begun, done, go = [], [], threading.Event()

    def work(request, is_stale):
        begun.append(request)
        go.wait(5)
        if not is_stale():
            done.append(request)

    latest = Latest(work)
    latest.ask(0)
    while not begun:
        time.sleep(0.001)
    for number in range(1, 100):
        latest.ask(number)
    go.set()
    while not latest.idle:
        time.sleep(0.001)
    assert begun == [0, 99]
    assert done == [99]
    latest.close()
    latest.ask(100)
    time.sleep(0.02)
    assert begun == [0, 99]


def test_dropping_leaves_nothing_to_do():
    begun, go = [], threading.Event()

    def work(request, is_stale):
        begun.append(request)
        go.wait(5)
        begun.append(is_stale())

    latest = Latest(work)
    latest.ask("a")
    while not begun:
        time.sleep(0.001)
    latest.ask("b")
    latest.drop()
    go.set()
    while not latest.idle:
        time.sleep(0.001)
    assert begun == ["a", True]
    latest.close()
