"""What is told of a clearing helps whoever reads it."""

from attractor.cli.output.reports import sweep_text
from attractor.pipeline.runs.garbage import YET, Sweep


def told(*reasons: str, is_dry: bool = False) -> list[str]:
    kept = {f"run {number}": why for number, why in enumerate(reasons)}
    return sweep_text(Sweep(is_dry, kept=kept)).splitlines()


def test_sweep_advice() -> None:
    assert told() == ["nothing freed"]
    assert told(is_dry=True) == ["nothing would be freed"]
    waits = "it waits for a decision"
    assert told(waits, waits) == ["nothing freed", f"2 runs keep their files: {waits}"]
    why = f"it is failed, less than 7d ago{YET}"
    assert told(why)[-1] == "to include newer runs, add --older-than 0s"
