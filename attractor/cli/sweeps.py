"""Tells a person what was freed, and what was kept."""

from collections import Counter
from collections.abc import Iterator

from attractor.language.source.text import visible
from attractor.pipeline.garbage import YET, Freed, Sweep
from attractor.pipeline.workspace.boot import name_processes

_UNIT = 1024


def sweep_text(swept: Sweep) -> str:
    """Return what a clearing came to, in lines."""
    return "\n".join(map(visible, _lines(swept)))


def size(number: float) -> str:
    """Return how large something is, for people."""
    for unit in ("bytes", "KiB", "MiB"):
        if number < _UNIT:
            return f"{number:.0f} {unit}" if unit == "bytes" else f"{number:.1f} {unit}"
        number /= _UNIT
    return f"{number:.1f} GiB"


def _lines(swept: Sweep) -> Iterator[str]:
    ended = "would be ended" if swept.is_dry else "ended"
    for run_id, processes in swept.ended.items():
        yield f"{run_id}  {ended}, left running by a killed process: {name_processes(processes)}"
    by_run: dict[str, list[Freed]] = {}
    for one in swept.freed:
        by_run.setdefault(one.run_id, []).append(one)
    for run_id, freed in by_run.items():
        yield f"{_name(run_id)}  {size(sum(one.bytes for one in freed)):>10}  {_what(freed)}"
    would = "would be freed" if swept.is_dry else "freed"
    yield f"{size(swept.bytes)} {would}" if swept.freed else f"nothing {would}"
    reasons = Counter(swept.kept.values())
    for why, count in reasons.items():
        runs = "1 run keeps its files" if count == 1 else f"{count} runs keep their files"
        yield f"{runs}: {why}"
    if any(why.endswith(YET) for why in reasons):
        yield "what is younger is freed too with --older-than 0s"
    for trouble in swept.troubles:
        yield f"trouble: {trouble}"


def _name(run_id: str) -> str:
    return run_id or "left by dead processes   "


def _what(freed: list[Freed]) -> str:
    kinds = Counter(one.what for one in freed)
    told = (f"{count} {what}s" if count > 1 else what for what, count in kinds.items())
    return f"{', '.join(told)} ({freed[0].why})"
