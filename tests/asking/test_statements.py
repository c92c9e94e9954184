"""Statements are checked: true ones pass, false ones are struck out, and the rest is marked."""

from collections.abc import Mapping

import pytest

from attractor.asking.statements import Cite, Computed, ProofMark, StatedFigure, Statement, check
from attractor.base.errors import UnknownName

RUN = "01JZ0000000000000000000000"
EVENT = "StageFailed test\nreason: 3 of 9 tests failed in calc.py"
KNOWN = {
    "failed": Computed(5, "runs", "runs that are failed: 5"),
    "cost": Computed(4.2031, "USD", "cost: $4.20", 2),
    "time": Computed(1234.4, "s", "seconds: 1234", 0),
}


def compute(query: Mapping[str, str]) -> Computed:
    if query["name"] not in KNOWN:
        raise UnknownName("figure", query["name"], KNOWN)
    return KNOWN[query["name"]]


def read_event(run: str, seq: int) -> str:
    if (run, seq) != (RUN, 12):
        raise UnknownName("run", run, [])
    return EVENT


def figure(value: float, name: str = "failed") -> StatedFigure:
    return StatedFigure(value, {"name": name})


def cite(quote: str, run: str = RUN, seq: int = 12) -> Cite:
    return Cite(run, seq, quote)


@pytest.mark.parametrize(
    ("text", "figures", "cites", "mark"),
    [
        ("5 runs failed.", [figure(5)], [], ProofMark.CHECKED),
        ("They cost $4.20, or $4.2031.", [figure(4.2, "cost")], [], ProofMark.CHECKED),
        ("1,234s of work in five runs.", [figure(1234, "time"), figure(5)], [], ProofMark.CHECKED),
        ("It reads '3 of 9  tests failed'.", [], [cite("3 of 9  tests failed")], ProofMark.CHECKED),
        (f"Event 12 of {RUN} says so.", [], [cite("calc.py")], ProofMark.CHECKED),
        ("6 runs failed.", [figure(6)], [], ProofMark.STRUCK),
        ("5.4 runs failed.", [figure(5.4)], [], ProofMark.STRUCK),
        ("It is not a number.", [figure(float("nan"))], [], ProofMark.STRUCK),
        ("They cost $4.21.", [figure(4.21, "cost")], [], ProofMark.STRUCK),
        ("5 runs and 9.", [figure(5), figure(9, "nosuch")], [], ProofMark.STRUCK),
        ("All tests passed.", [], [cite("all tests passed")], ProofMark.STRUCK),
        ("It says ests.", [], [cite("9 test")], ProofMark.STRUCK),
        ("It says nothing.", [], [cite("  ")], ProofMark.STRUCK),
        ("Another run.", [], [cite("tests", run="gone")], ProofMark.STRUCK),
        ("Another event.", [], [cite("tests", seq=13)], ProofMark.STRUCK),
        ("Nothing moves.", [], [], ProofMark.SAID),
        ("7 runs failed.", [figure(5)], [], ProofMark.SAID),
        ("Seven runs failed.", [figure(5)], [], ProofMark.SAID),
        ("٧ runs failed.", [figure(5)], [], ProofMark.SAID),
        ("7k runs failed.", [figure(5)], [], ProofMark.SAID),
        ("3 runs failed.", [], [cite("tests failed")], ProofMark.SAID),
        ("5 runs failed.", [StatedFigure(5)], [], ProofMark.SAID),
        ("5 runs failed.", [figure(6)], [cite("tests")], ProofMark.STRUCK),
    ],
)
def test_mark_of_a_statement(
    text: str, figures: list[StatedFigure], cites: list[Cite], mark: ProofMark
) -> None:
    assert check(Statement(text, figures, cites), compute, read_event).mark is mark


def test_struck_statement_has_the_right_value_and_the_event_beside_it() -> None:
    false = Statement("6 failed in 2 runs.", [figure(6)], [cite("all is well")])
    checked = check(false, compute, read_event)
    assert checked.figures[0].words == "runs that are failed: 5"
    assert checked.unproved == ["2"]
    assert "does not contain these words, but: StageFailed test" in checked.cites[0].words
    record = checked.to_record()
    assert record["mark"] == "struck out"
    assert record["figures"][0]["right"]["value"] == 5  # pyright: ignore
