from dataclasses import dataclass

from attractor.twins.bounded_log import BoundedLog


@dataclass
class Entry:
    number: int

    def record(self) -> dict[str, object]:
        return {"number": self.number}


def logged(*sizes: int, keep: int = 10, most_bytes: int = 1000) -> BoundedLog[Entry]:
    log = BoundedLog[Entry](keep, most_bytes)
    for size in sizes:
        log.add(Entry(log.count + 1), size)
    return log


def numbers(log: BoundedLog[Entry]) -> list[int]:
    return [one.number for one in log.entries]


def test_the_latest_are_kept_and_the_others_counted() -> None:
    log = logged(*[0] * 5, keep=2)
    assert (numbers(log), log.dropped, log.count) == ([4, 5], 3, 5)


def test_large_ones_are_dropped_sooner_but_the_newest_never() -> None:
    assert numbers(logged(40, 40, 40, most_bytes=100)) == [2, 3]
    assert numbers(logged(40, 500, most_bytes=100)) == [2]
    assert numbers(logged(500, 40, 40, most_bytes=100)) == [2, 3]


def test_it_begins_anew() -> None:
    log = logged(60, 60, most_bytes=100)
    log.forget()
    assert (numbers(log), log.dropped, log.count) == ([], 0, 0)
    log.add(Entry(1), 60)
    assert (numbers(log), log.dropped) == ([1], 0)


def test_what_was_read_does_not_grow_afterwards() -> None:
    log = logged(1)
    before = log.entries
    log.add(Entry(2), 1)
    assert (len(before), len(log.entries)) == (1, 2)
