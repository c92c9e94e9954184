"""The lines of a live display, and the output files of stages."""

from pathlib import Path

from hypothesis import given, strategies as st

from attractor.cli.runs.live.render import LEFT_OUT, LastLines, PrintedLines, new_lines, price
from attractor.cli.runs.live.state import StageRow
from attractor.engine.run_folder.layout import RunDirectory
from attractor.engine.stage.folder import TAIL
from tests.cli.runs.live.run_events import BEGAN, CHILD, RUN, RunEvents, write_manifest
from tests.tables import table

SEEN = 5


@table(
    ("dollars", "printed"),
    [(0.0, "$0.00"), (0.0012, "$0.0012"), (0.00996, "$0.01"), (0.01, "$0.01"), (2.5, "$2.50")],
)
def test_price_has_the_same_digits_on_both_sides_of_a_cent(dollars: float, printed: str) -> None:
    assert price(dollars) == printed


@table(
    ("before", "now", "fresh"),
    [
        ("", "ab", "ab"),
        ("ab", "ab", ""),
        ("ab", "abc", "c"),
        ("abc", "bcd", "d"),
        ("aa", "aaa", "a"),
    ],
)
def test_old_lines_are_not_printed_again(before: str, now: str, fresh: str) -> None:
    assert "".join(new_lines(tuple(before), tuple(now))) == fresh


def test_missed_lines_are_marked() -> None:
    assert new_lines(("a", "b"), ("x", "y")) == [LEFT_OUT, "x", "y"]


@given(st.lists(st.integers(1, SEEN - 1), min_size=1, max_size=8))
def test_frequent_checks_print_every_line_once(steps: list[int]) -> None:
    printed: list[str] = []
    messages: list[str] = []
    before: tuple[str, ...] = ()
    for step in steps:
        printed += [f"line {len(printed) + n}" for n in range(step)]
        now = tuple(printed[-SEEN:])
        messages += new_lines(before, now)
        before = now
    assert messages == printed


def test_new_attempt_starts_from_its_first_line(tmp_path: Path) -> None:
    run, lines = RunEvents(), PrintedLines(RunDirectory(tmp_path))
    tail = tmp_path / "build" / TAIL
    tail.parent.mkdir()
    lines.hear(run.tell("StageStarted", "build"))
    tail.write_text("same\n")
    assert [one.strip() for one in lines.more()] == ["build | same"]
    assert list(lines.more()) == []
    lines.hear(run.tell("StageStarted", "build", attempt=2))
    assert [one.strip() for one in lines.more()] == ["build, attempt 2 | same"]
    lines.hear(run.tell("StageCompleted", "build", attempt=2, outcome="success"))
    assert list(lines.more()) == []


def test_only_the_selected_node_is_printed(tmp_path: Path) -> None:
    run, lines = RunEvents(), PrintedLines(RunDirectory(tmp_path), "test")
    for node in ("build", "test"):
        (tmp_path / node).mkdir()
        (tmp_path / node / TAIL).write_text(f"from {node}\n")
        lines.hear(run.tell("StageStarted", node))
    assert [one.strip() for one in lines.more()] == ["test | from test"]


def prints(folder: Path, text: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / TAIL).write_text(text)


def row(node: str, visit: int = 1, attempt: int = 1) -> StageRow:
    return StageRow(node, BEGAN, visit=visit, attempt=attempt)


def test_stage_with_a_taken_folder_name_is_found(tmp_path: Path) -> None:
    tails = LastLines({RUN: write_manifest(tmp_path)})
    prints(tmp_path / "build", "first\n")
    prints(tmp_path / "build" / "history" / "2.1", "second\n")
    assert tails.lines(RUN, row("build")) == ("first",)
    assert tails.lines(RUN, row("build", visit=2)) == ("second",)


def test_stage_of_a_new_child_is_found(tmp_path: Path) -> None:
    tails = LastLines({RUN: write_manifest(tmp_path)})
    assert tails.lines(CHILD, row("lint")) == ()
    child = write_manifest(tmp_path / "children" / "inner@1.1", "01JZ0000000000000000000009")
    write_manifest(child / "children" / "deep@1.1", CHILD)
    prints(child / "children" / "deep@1.1" / "lint", "from below\n")
    assert tails.lines(CHILD, row("lint")) == ("from below",)


def test_only_changed_plain_files_are_read(tmp_path: Path) -> None:
    tails = LastLines({RUN: write_manifest(tmp_path)})
    prints(tmp_path / "build", "old\n")
    assert tails.lines(RUN, row("build")) == ("old",)
    prints(tmp_path / "build", "old\nnewer\n")
    assert tails.lines(RUN, row("build")) == ("old", "newer")
    (tmp_path / "secret").write_text("of somebody\n")
    (tmp_path / "build" / TAIL).unlink()
    (tmp_path / "build" / TAIL).symlink_to(tmp_path / "secret")
    assert tails.lines(RUN, row("build")) == ()


def test_stage_without_output_keeps_its_event_lines(tmp_path: Path) -> None:
    tails = LastLines({RUN: write_manifest(tmp_path)})
    run = RunEvents()
    run.tell("StageStarted", "ask")
    run.tell("WARNING", "ask", message="mind the gap")
    assert tails.seen(run.view) == run.view
    prints(tmp_path / "ask", "printed\n")
    [seen] = tails.seen(run.view).at_work.values()
    assert seen.last_lines == ("printed",)
