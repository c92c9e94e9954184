"""Work of the server goes on after faults, which are told."""

from attractor.base.errors import UsageError
from attractor.server.processes.repeated import Repeated
from tests.cli.git_desk import await_


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

    def end(self) -> None:
        self.has_ended = True


def test_fault_is_told_once_and_ends_nothing() -> None:
    work, told = Work(), list[str]()
    repeated = Repeated("queues", work.look, told.append, every_s=0.001, end=work.end)
    repeated.start()
    await_(lambda: work.looks > 7)
    repeated.stop()
    assert told == [
        "queues: the state folder is away",
        "queues: internal error: ValueError('a defect')",
    ]
    assert work.has_ended
