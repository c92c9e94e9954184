"""Reads a file of outcomes for a simulated walk, by node and visit."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import cast

from attractor.base.dataclasses import dataclass
from attractor.base.errors import NotCanonical, UnknownName, UsageError
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.base.toml import InvalidToml, parse_toml
from attractor.engine.errors import InvalidReport
from attractor.engine.outcome import Outcome, StageStatus
from attractor.engine.stage.report import check_report
from attractor.engine.storage.json_files import DEEPEST, TOO_DEEP, describe_fault, is_too_deep

_NEEDS_REASON = (StageStatus.FAIL, StageStatus.RETRY)


@dataclass(frozen=True)
class SimulatedOutcomes:
    """The outcomes of nodes, one outcome for each visit; the last outcome repeats."""

    by_node: Mapping[str, Sequence[Outcome]] = field(default_factory=dict[str, Sequence[Outcome]])

    def at(self, node: str, visit: int) -> Outcome | None:
        """Return the outcome of a visit, counted from 1; None for a node without outcomes."""
        outcomes = self.by_node.get(node)
        return outcomes[min(visit, len(outcomes)) - 1] if outcomes else None


NO_OUTCOMES = SimulatedOutcomes()


def read_outcomes(
    written: Json | JsonObject, *, nodes: Iterable[str], file: str = ""
) -> SimulatedOutcomes:
    """Read the outcomes for a pipeline, or raise an error with the position of the
    invalid outcome.
    """
    outcomes = check_outcomes(written, file=file)
    known = set(nodes)
    for node in outcomes.by_node:
        if node not in known:
            raise _named(UnknownName("node", node, known), file)
    return outcomes


def check_outcomes(written: Json | JsonObject, *, file: str = "") -> SimulatedOutcomes:
    """Read outcomes without checking that the pipeline has their nodes."""
    if not isinstance(written, Mapping):
        wrong = UsageError(
            "outcomes must be a table of nodes", hint='for example {"test": ["fail"]}'
        )
        raise _named(wrong, file)
    try:
        return SimulatedOutcomes({node: _read_visits(node, one) for node, one in written.items()})
    except UsageError as error:
        raise _named(error, file) from error


def _named(error: UsageError, file: str) -> UsageError:
    """Return an error with the name of the file in its message."""
    return UsageError(f"{file}: {error}", hint=error.hint) if file else error


def _read_visits(node: str, written: Json) -> Sequence[Outcome]:
    if not isinstance(written, list):
        return (_read_outcome(node, f"node {node!r}", written),)
    if not written:
        raise UsageError(f"node {node!r} has an empty list of outcomes", hint="name at least one")
    return tuple(
        _read_outcome(node, f"visit {number} of node {node!r}", one)
        for number, one in enumerate(written, 1)
    )


def _read_outcome(node: str, place: str, written: Json) -> Outcome:
    report = written if isinstance(written, dict) else {"outcome": written}
    try:
        outcome = check_report(report)
    except InvalidReport as error:
        raise InvalidReport(f"outcome of {place}: {error}", hint=error.hint) from error
    if outcome.status in _NEEDS_REASON and not outcome.failure_reason:
        return replace(outcome, failure_reason=f"simulated {outcome.status.value} of {node}")
    return outcome


_HINT = 'write JSON such as {"test": "fail"}, or TOML such as test = "fail"'


def open_outcomes(file: Path) -> dict[str, Json]:
    """Read a file of outcomes; check the outcomes as far as possible without the pipeline."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as cause:
        reason = cause.strerror or str(cause)
        raise UsageError(f"{file}: {reason}", hint="name a JSON or TOML file") from cause
    except UnicodeDecodeError as cause:
        raise UsageError(f"{file} is not UTF-8", hint="save it as UTF-8") from cause
    table = _read_toml(text, file) if _is_toml(file, text) else _read_json(text, file)
    if is_too_deep(table):
        raise UsageError(f"{file} {TOO_DEEP}", hint=f"{DEEPEST} levels at most")
    check_outcomes(table, file=str(file))
    return cast(dict[str, Json], table)


def _is_toml(file: Path, text: str) -> bool:
    """Return whether a file is TOML, by its name or otherwise by its first character."""
    if file.suffix in (".json", ".toml"):
        return file.suffix == ".toml"
    return not text.lstrip().startswith("{")


def _read_json(text: str, file: Path) -> Json:
    try:
        return parse_json(text)
    except NotCanonical as cause:
        raise UsageError(f"{file} {describe_fault(cause)}", hint=_HINT) from cause


def _read_toml(text: str, file: Path) -> Json:
    try:
        table: dict[str, Json] = parse_toml(text)
        # TOML dates and times are not JSON.
        canonical_json(table)
    except NotCanonical as cause:
        raise UsageError(
            f"{file} {describe_fault(cause)}", hint="write a text in quotes"
        ) from cause
    except InvalidToml as cause:
        raise UsageError(cause.at(str(file)), hint=cause.hint or _HINT) from cause
    return table
