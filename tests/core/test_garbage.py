import gc
from threading import Barrier, Thread

from napari_instseg.core.garbage import no_collection


def is_old(thing):
    return any(thing is other for other in gc.get_objects(generation=2))


def test_what_is_made_within_is_old_at_once_and_still_collected():
    collections = gc.get_stats()[2]["collections"]
    frozen = gc.get_freeze_count()
    with no_collection():
        assert not gc.isenabled()
        made = [[]]
        made.append(made)  # a cycle, so that only the collector can free it
        assert not is_old(made)
    assert gc.isenabled()
    assert is_old(made)
    assert gc.get_stats()[2]["collections"] == collections
    assert gc.get_freeze_count() == frozen
    del made
    assert gc.collect() > 0


def test_of_two_threads_the_last_one_ends_it():
    both, first_ended = Barrier(2), Barrier(2)
    seen = []

    def first():
        with no_collection():
            both.wait(10)
        first_ended.wait(10)

    thread = Thread(target=first)
    with no_collection():
        thread.start()
        both.wait(10)
        first_ended.wait(10)
        seen.append(gc.isenabled())
    thread.join(10)
    assert seen == [False]
    assert gc.isenabled()


def test_who_put_it_off_before_is_left_alone():
    gc.disable()
    try:
        with no_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
