"""The examples of handlers in the reference run as printed."""

from collections.abc import Mapping

import pytest

from attractor.language.reading import parse
from tests.cli.git_desk import (
    UNGUARDED,
    GitDesk,
    desk as desk,  # a fixture
)
from tests.examples import ROOT, fences

PAGE = ROOT / "docs" / "reference" / "handlers.md"
EXAMPLES = {parse(one.text).name: one.text for one in fences("dot") if one.page == PAGE}
# Shorten waits in tests.
QUICK = {'"30s"': '"10ms"'}


def other_files() -> Mapping[str, str]:
    """Return the other files that the examples need."""
    pipelines = {f"{name}.dot": text for name, text in EXAMPLES.items()}
    made = "deploy smoke lint test:\n\ttrue\n"
    return {**pipelines, "Makefile": made, "prompts/review.j2": "Review {{ context.work.item }}"}


@pytest.mark.parametrize("name", ["patient", "named", "modules", "checked", "watched"])
def test_an_example_can_be_run(desk: GitDesk, name: str) -> None:
    text = EXAMPLES[name]
    for slow, quick in QUICK.items():
        text = text.replace(slow, quick)
    desk.make(text, **{**other_files(), f"{name}.dot": text})
    done = desk.do("run", f"{name}.dot", *UNGUARDED)
    assert done.returncode == 0, done.stderr
    assert desk.do("validate", f"{name}.dot").returncode == 0
