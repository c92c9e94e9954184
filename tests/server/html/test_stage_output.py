"""The part of an output that a page shows, and searches in it."""

from pathlib import Path

import pytest

from attractor.records.timeline import StageAttempt
from attractor.server.html.stage_output import LONGEST, Log, LogPlace, last_lines, read_log


@pytest.fixture
def attempt(tmp_path: Path) -> StageAttempt:
    return StageAttempt("test", 1, 1, folder=tmp_path)


def write(attempt: StageAttempt, **streams: str) -> None:
    assert attempt.folder
    for name, text in streams.items():
        (attempt.folder / f"{name}.txt").write_text(text, newline="")


def read(attempt: StageAttempt, **place: str) -> Log:
    log = read_log(attempt, LogPlace(**place))
    assert log
    return log


def test_parts_of_a_long_output_are_around_a_line_and_reach_all_lines(
    attempt: StageAttempt,
) -> None:
    write(attempt, stdout="".join(f"line {number}\r\n" for number in range(1, 5001)))
    log, seen = read(attempt), set[int]()
    assert (log.title, log.total, log.current, log.later) == ("Standard output", 5000, 0, 0)
    while True:
        seen |= {line.number for line in log.lines}
        assert all(line.content == f"line {line.number}" for line in log.lines)
        assert sum(len(line.content) for line in log.lines) < LONGEST
        if not log.earlier:
            break
        log = read(attempt, line=str(log.earlier))
        assert log.lines[0].number < log.current < log.lines[-1].number == log.later
    assert seen == {*range(1, 5001)}
    assert read(attempt, line="999999999").current == 5000


def test_search_ignores_case_and_escapes_and_goes_in_a_circle(attempt: StageAttempt) -> None:
    write(attempt, stdout="a\nA \x1b[31mFo\x1b[mo\nb\nfoo <\nc\nFOO\n")
    log = read(attempt, q="foo")
    assert (log.hits, log.current, log.hit(1), log.hit(-1)) == ([2, 4, 6], 2, 4, 6)
    assert log.lines[3].content == "<mark>foo</mark> &lt;"
    log = read(attempt, q="foo", line="5")
    assert (log.current, log.hit(1), log.hit(-1)) == (5, 6, 4)
    log = read(attempt, q="none")
    assert (log.hits, log.current) == ([], 0)


def test_first_error_is_the_first_line_that_names_one(attempt: StageAttempt) -> None:
    write(attempt, stdout="ok\n0 errors\nerror: <here>\nError: there\n")
    assert read(attempt, line="error").current == 3
    write(attempt, stdout="fine\n")
    assert read(attempt, line="error").lacks_error


def test_colours_go_on_in_the_next_lines_and_long_lines_are_cut(attempt: StageAttempt) -> None:
    write(attempt, stdout="\x1b[1;31mred\n" + "x\n" * 2000 + "y" * 4010 + "\n")
    *_, last = read(attempt).lines
    cut = f'<span class="ansi-red ansi-bold">{"y" * 4000}</span> [10 more characters]'
    assert last.content == cut
    write(attempt, stdout="\x1b[1my" * 500_000)
    (only,) = read(attempt).lines
    assert only.content.endswith(" [2496000 more characters]")
    assert len(only.content) < LONGEST


def test_streams_are_in_order_of_arrival_if_it_is_known(attempt: StageAttempt) -> None:
    write(attempt, stdout="1\n3\n", stderr="2\n")
    log = read(attempt)
    assert ([*log.streams], log.title, log.is_ordered) == (
        ["", "stderr", "stdout"],
        "Both streams",
        False,
    )
    write(attempt, output="1\n2\n3\n")
    log = read(attempt)
    assert ([line.content for line in log.lines], log.is_ordered) == (["1", "2", "3"], True)
    log = read(attempt, stream="stderr")
    assert ([line.content for line in log.lines], log.title) == (["2"], "Standard error")
    assert last_lines(attempt) == ["1", "3", "2"]


def test_canceled_command_has_its_last_lines(attempt: StageAttempt) -> None:
    assert read_log(attempt) is None
    write(attempt, tail="\x1b[2Klast\n")
    log = read(attempt)
    assert (log.title, log.is_tail, last_lines(attempt)) == ("Last output", True, ["last"])
