"""Callbacks and streams that read broadcasts of numbers."""

import threading
from collections.abc import Sequence
from datetime import timedelta

from attractor.base.broadcast import Broadcast, Missed, Stream

LONG = timedelta(seconds=30)
Item = int | Missed


class Blocked:
    """A callback that is stuck in its first item until it is let go."""

    def __init__(self) -> None:
        self.got: list[Item] = []
        self.entered = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, item: Item) -> None:
        self.entered.set()
        assert self.let_go.wait(30)
        self.got.append(item)


def refuse(item: Item) -> None:
    raise ValueError(f"no {item}")


def publish_all(broadcast: Broadcast[int], items: Sequence[int]) -> None:
    for item in items:
        broadcast.publish(item)


async def read_all(stream: Stream[int]) -> list[Item]:
    return [item async for item in stream]
