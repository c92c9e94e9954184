"""A reader of a broadcast that is called back, on a thread of its own."""

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar

from attractor.base.reader_buffer import Missed, ReaderBuffer, Undelivered

T = TypeVar("T")


class Subscription(Generic[T]):
    """A callback that is served in order by a thread of its own, until it raises."""

    def __init__(
        self,
        callback: Callable[[T | Missed], None],
        *,
        buffer: int,
        on_error: "Callable[[Subscription[T]], None] | None",
    ) -> None:
        self.name: str = getattr(callback, "__qualname__", type(callback).__qualname__)
        self.error: BaseException | None = None
        self._callback = callback
        self._on_error = on_error
        self._buffer = ReaderBuffer[T](buffer)
        self._changed = threading.Condition()
        self._ending = False
        self._in_hand = 0
        self._lacks = 0
        # A daemon: a callback that never returns does not keep the program from ending.
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)
        self._thread.start()

    def put(self, item: T) -> bool:
        """Buffer an item; say no when this subscription is over."""
        with self._changed:
            if not self._ending:
                self._buffer.put(item)
                self._changed.notify_all()
            # While its thread lives it can raise still, and that is to be reported.
            return not self._ending or self._thread.is_alive()

    def catch_up(self, seconds: float) -> None:
        """Wait so long at most until all is delivered that was put here by now."""
        if self._thread is threading.current_thread():
            return
        with self._changed:
            self._changed.wait_for(lambda: not (self._buffer or self._in_hand), seconds)

    def end(self) -> None:
        """Take no more; what is buffered is still delivered."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()

    def close(self) -> None:
        """Stop calling back; what is buffered is dropped."""
        with self._changed:
            self._ending = True
            self._buffer.clear()
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        """Wait until all is delivered; what is not by then never will be."""
        if self._thread is threading.current_thread():
            return
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._give_up()

    def report(self) -> Sequence[Undelivered]:
        """Return what went wrong, if anything did."""
        if self.error is None and not self._lacks:
            return ()
        return (Undelivered(self.name, self._lacks, self.error),)

    def _serve(self) -> None:
        for item in self._items():
            try:
                self._callback(item)
            # Whatever it is, it ends this reader only, and nobody else would hear of it.
            except BaseException as error:  # noqa: BLE001
                self.error = error
                self._give_up()
                if self._on_error is not None:
                    self._on_error(self)
                return

    def _items(self) -> Iterator[T | Missed]:
        while True:
            with self._changed:
                self._in_hand = 0
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._buffer or self._ending)
                if not self._buffer:
                    return
                item = self._buffer.take()
                self._in_hand = item.count if isinstance(item, Missed) else 1
            yield item

    def _give_up(self) -> None:
        with self._changed:
            self._ending = True
            self._lacks += self._in_hand + self._buffer.clear()
            self._in_hand = 0
            self._changed.notify_all()
