import threading

import pytest

from voxray.train.prefetch import prefetched


def running():
    return [t for t in threading.enumerate() if t.name == "prefetch"]


def test_items_come_whole_and_in_order():
    assert list(prefetched(iter(range(50)))) == list(range(50))
    assert running() == []


def test_no_item_gives_nothing():
    assert list(prefetched(iter(()))) == []


def test_an_error_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        msg = "broken"
        raise OSError(msg)

    reader = prefetched(items())
    assert [next(reader), next(reader)] == [1, 2]
    with pytest.raises(OSError, match="broken"):
        next(reader)
    assert running() == []


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_the_thread_ends_when_its_reader_does(error):
    items = prefetched(iter(range(10**9)))

    def read():
        for item in items:
            if item == 3:
                raise error

    with pytest.raises(error):
        read()
    items.close()
    assert running() == []


def test_few_items_wait():
    made = []

    def items():
        for n in range(100):
            made.append(n)
            yield n

    reader = prefetched(items(), depth=2)
    assert next(reader) == 0
    assert len(made) <= 5
    reader.close()
