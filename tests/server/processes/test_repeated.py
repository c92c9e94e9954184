"""Work of the server continues after faults, which are reported."""

import pytest

from attractor.base.errors import UsageError
from attractor.server.processes.repeated import Repeated
from tests.patience import wait_until


class Work:
    def __init__(self) -> None:
        self.looks = 0
        self.has_ended = False

    def look(self) -> None:
        self.looks += 1
        if self.looks in (2, 3, 4):
            raise UsageError("the state folder is away")
        if self.looks == 6:
            raise ValueError("a defect")
        if self.looks == 7:
            raise OSError("the disk is full")

    def end(self) -> None:
        self.has_ended = True


def test_work_continues_after_a_fault_that_is_reported_once() -> None:
    work, told = Work(), list[str]()
    repeated = Repeated("queues", work.look, told.append, every_s=0.001, end=work.end)
    repeated.start()
    wait_until(lambda: work.looks > 8)
    repeated.stop()
    assert told == [
        "queues: the state folder is away",
        "queues: internal error: ValueError('a defect')",
        "queues: the disk is full",
    ]
    assert work.has_ended


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_end_is_called_after_a_fault_that_cannot_be_reported() -> None:
    def tell(sentence: str) -> None:
        raise BrokenPipeError(sentence)

    work = Work()
    repeated = Repeated("queues", work.look, tell, every_s=0.001, end=work.end)
    repeated.start()
    wait_until(lambda: work.has_ended)
    repeated.stop()
