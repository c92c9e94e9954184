"""The fence of a run that a worker executes: the worker commits each step before the next begins.

The process of an attempt and its worker share a pair of sockets. The process asks, the worker
answers; if the worker is gone, or lost the run, the process ends.
"""

import os
import signal
import socket
import threading
from contextlib import suppress

from attractor.base.json import Json, JsonObject, canonical_json, parse_object
from attractor.engine.errors import FenceLost
from attractor.engine.outcome import Usage
from attractor.engine.run_folder.layout import FileFence, RunDirectory

KEEP, KEPT, LEAVE, LOST, ENDED, USED = "keep", "kept", "leave", "lost", "ended", "used"
STAGE = "stage"

_GRACE_S = 2.0


def used_record(used: Usage) -> list[Json]:
    """Return how a process tells its worker what the run has spent so far."""
    return [used.cost_usd, used.tokens, used.unpriced_tokens]


class WorkerChannel:
    """The end of the sockets in the process of an attempt."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._said = threading.Condition()
        self._asked = self._kept = 0
        self.lost = self.leaves = ""
        self._listener = threading.Thread(target=self._listen, name="worker", daemon=True)
        self._listener.start()

    def keep(self, used: Usage, *, ends_stage: bool) -> None:
        """Wait until the worker has committed what is written; raise FenceLost if it cannot."""
        with self._said:
            self._asked += 1
            number = self._asked
            self._send({KEEP: number, USED: used_record(used), STAGE: ends_stage})
            self._said.wait_for(lambda: self.lost or self._kept >= number)
        if self.lost:
            raise FenceLost(self.lost)

    def tell_end(self, report: JsonObject) -> None:
        """Tell the worker how the attempt ended."""
        self._send({ENDED: {**report}})

    def _send(self, message: JsonObject) -> None:
        try:
            self._end.sendall(canonical_json(message).encode() + b"\n")
        except OSError as cause:
            raise FenceLost("the worker of the run is gone") from cause

    def _listen(self) -> None:
        # The kernel resets the sockets of a killed worker that had not read everything.
        with suppress(OSError):
            self._hear()
        with self._said:
            self.lost = self.lost or _GONE
            self._said.notify_all()
        _end_this_process()

    def _hear(self) -> None:
        """Take the messages of the worker until it is gone, or has lost the run."""
        with self._end.makefile("rb") as lines:
            for line in lines:
                message = parse_object(line) or {}
                with self._said:
                    if isinstance(kept := message.get(KEPT), int):
                        self._kept = kept
                    self.leaves = str(message.get(LEAVE, self.leaves))
                    self.lost = str(message.get(LOST, ""))
                    self._said.notify_all()
                if self.lost:
                    return


_GONE = "the worker of the run is gone"


def _end_this_process() -> None:
    """End as on a signal of a person, which ends the stages; after a while, at once."""
    timer = threading.Timer(_GRACE_S, os._exit, [1])
    timer.daemon = True
    timer.start()
    os.kill(os.getpid(), signal.SIGTERM)


class WorkerFence(FileFence):
    """The fence of one run directory in the process of an attempt."""

    def __init__(self, directory: RunDirectory, purpose: str, channel: WorkerChannel) -> None:
        super().__init__(directory.lock, purpose=purpose)
        self._channel = channel

    @property
    def is_lost(self) -> bool:
        """Whether another process took over the run."""
        return bool(self._channel.lost) or super().is_lost

    @property
    def leaves(self) -> str:
        """Why the worker gives the run back."""
        return self._channel.leaves

    def keep(self, used: Usage, *, ends_stage: bool) -> None:
        """Wait until the worker has committed what is written."""
        self._channel.keep(used, ends_stage=ends_stage)
