"""Says what a run is about: issue or ticket, round of a pull request, or work of a mission."""

from collections.abc import Iterator, Mapping

from attractor.base.amounts import number_of
from attractor.base.fenced import fenced_in, unfenced
from attractor.base.json import Json, JsonObject
from attractor.base.patterns import late_pattern
from attractor.engine.run_folder.layout import Manifest
from attractor.engine.truncation import one_line

PULL_ROUND = "internal.pull_round"
"""The context value with the number of the pull request and of its round, such as `14 2`."""

_ISSUE = late_pattern(r"\S+(?P<number>#[0-9]+) .*")
_LONGEST = 200


def about_of(manifest: Manifest) -> str:
    """Return what a run is about besides its goal, such as `issue #7: Totals are wrong`, or ""."""
    options = manifest.options
    feedback, trigger, inputs, mission = (_object(options, name) for name in _OPTIONS)
    return "; ".join([*_occurrence(trigger, inputs), *_round(feedback), *_mission(mission)])


def given_of(manifest: Manifest) -> Mapping[str, str]:
    """Return the remarks and the failed checks of a pull request that a run was given, by name."""
    return fenced_in(str(_object(manifest.options, "feedback").get("feedback.pull_request", "")))


_OPTIONS = ("feedback", "trigger", "inputs", "mission")


def _object(record: JsonObject, name: str) -> JsonObject:
    value = record.get(name)
    return value if isinstance(value, dict) else {}


def _occurrence(trigger: JsonObject, inputs: JsonObject) -> Iterator[str]:
    kind, occurrence = str(trigger.get("kind", "")), str(trigger.get("occurrence", ""))
    name = occurrence
    if kind == "issue" and (found := _ISSUE.fullmatch(occurrence)):
        name = found["number"]
    if kind in ("issue", "ticket"):
        title = one_line(unfenced(str(inputs.get("title", ""))), _LONGEST)
        yield one_line(f"{kind} {name}", _LONGEST) + (f": {title}" if title else "")


def _mission(work: JsonObject) -> Iterator[str]:
    if work:
        task = f" on {work['task']}" if work.get("task") else ""
        yield f"{work.get('role')}{task} of the mission {work.get('mission')}"


def _round(feedback: JsonObject) -> Iterator[str]:
    number, _, round_ = str(feedback.get(PULL_ROUND, "")).partition(" ")
    said = [
        number_of(count, what)
        for key, what in (("remarks", "remark"), ("failed_checks", "failed check"))
        if (count := _count(feedback.get(f"feedback.{key}")))
    ]
    if number:
        yield ", ".join([f"round {round_} of pull request #{number}", *said])
    elif said:
        yield f"after {' and '.join(said)} of a pull request"


def _count(value: Json) -> int:
    return value if isinstance(value, int) else 0
