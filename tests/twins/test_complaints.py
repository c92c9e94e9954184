from attractor.base.errors import AttractorError, FileTrouble
from attractor.twins.complaints import Complaints


def test_what_cannot_be_done_is_kept_and_told() -> None:
    heard: list[AttractorError] = []
    complaints = Complaints(heard.append)
    done: list[int] = []
    trouble = FileTrouble("the disk is full")

    def fail() -> None:
        raise trouble

    assert complaints.has_done(lambda: done.append(1))
    assert (done, complaints.troubles) == ([1], [])
    assert not complaints.has_done(fail)
    assert complaints.troubles == heard == [trouble]


def test_nobody_has_to_hear() -> None:
    complaints = Complaints()

    def fail() -> None:
        raise FileTrouble("the disk is full")

    assert not complaints.has_done(fail)
    assert len(complaints.troubles) == 1
