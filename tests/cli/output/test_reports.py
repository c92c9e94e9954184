"""What is told of a clearing helps whoever reads it."""

from attractor.cli.output.reports import sweep_text
from attractor.pipeline.runs.garbage import YET, Sweep


def told(*reasons: str, is_dry: bool = False) -> list[str]:
    kept = {f"run {number}": why for number, why in enumerate(reasons)}
    return sweep_text(Sweep(is_dry, kept=kept)).splitlines()


def test_where_there_is_nothing_at_all_nothing_is_advised() -> None:
    assert told() == ["nothing freed"]
    assert told(is_dry=True) == ["nothing would be freed"]


def test_no_age_is_advised_where_no_age_keeps_anything() -> None:
    waits = "it waits for a decision"
    assert told(waits, waits) == ["nothing freed", f"2 runs keep their files: {waits}"]


def test_what_is_kept_for_its_age_alone_can_be_freed_now() -> None:
    why = f"it is failed for good, but not for 7d{YET}"
    assert told(why)[-1] == "to include newer runs, add --older-than 0s"
