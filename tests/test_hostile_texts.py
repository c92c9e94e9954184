"""Patterns of the program on hostile texts: the time must be linear, or a test never ends."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from attractor.backends.limit_texts import find_limit
from attractor.environments.missing_program import find_missing_program
from attractor.growth.specification.clarifications import without_questions
from attractor.llm.generation.objects import find_objects
from attractor.projects.detection import detect
from tests.tables import table

SIZE = 1 << 20
QUESTION = "[NEEDS CLARIFICATION:"


READERS: Sequence[tuple[Callable[[str], object], str, str]] = [
    (lambda text: find_limit(text, datetime.now(UTC)), "You've hit your usage limit", "\n "),
    (find_missing_program, "", "a"),
    (without_questions, QUESTION, " "),
    (without_questions, "", QUESTION),
    (lambda text: list(find_objects(text)), "```", "\n"),
]


@table(("read", "begin", "unit"), READERS)
def test_hostile_text_is_read_in_linear_time(
    read: Callable[[str], object], begin: str, unit: str
) -> None:
    read(begin + unit * (SIZE // len(unit)) + "x")


def test_makefile_with_a_long_line_is_read_in_linear_time(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text("a" * SIZE)
    assert detect(tmp_path, str)
