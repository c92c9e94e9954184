"""An evaluation as the ledger keeps it, and as the gate reads it back."""

from collections.abc import Iterable, Mapping

from attractor.base.canonical import Json
from attractor.base.errors import Broken
from attractor.engine.fields import Fields
from attractor.environments.environment import Promises
from attractor.factory.gate import Evaluated
from attractor.factory.ledger import Entry
from attractor.scenarios.trial import TrialResult

EVALUATED = "evaluated"


def evaluated_to_record(number: int, evaluated: Evaluated, head: str) -> dict[str, Json]:
    """Return an evaluation with every trial in it, and the head of the run's journal."""
    return {
        "evaluation": number,
        "tree": evaluated.tree,
        "suite_seal": evaluated.suite_seal,
        "promises": promises_to_record(evaluated.promises),
        "trials": [dict(result.to_record()) for result in evaluated.results],
        "journal_head": head,
    }


def promises_to_record(promises: Promises) -> dict[str, Json]:
    """Return what a sandbox was proved to guard, by name."""
    return {
        "hides_operator": promises.hides_operator,
        "own_network": promises.own_network,
        "own_processes": promises.own_processes,
        "writes_only_workspace": promises.writes_only_workspace,
    }


def evaluated_from_record(record: Mapping[str, Json]) -> Evaluated:
    """Read an evaluation back."""
    fields = Fields(record, "ledger: evaluated")
    promises = fields.inner("promises")
    return Evaluated(
        tree=fields.text("tree"),
        suite_seal=fields.text("suite_seal"),
        promises=Promises(
            hides_operator=promises.flag("hides_operator"),
            own_network=promises.flag("own_network"),
            own_processes=promises.flag("own_processes"),
            writes_only_workspace=promises.flag("writes_only_workspace"),
        ),
        results=tuple(_result(trial) for trial in fields.items("trials")),
    )


def evaluations(entries: Iterable[Entry]) -> list[Evaluated]:
    """Return the evaluations among the lines of one run, oldest first."""
    return [evaluated_from_record(one.data) for one in entries if one.kind == EVALUATED]


def _result(record: Json) -> TrialResult:
    if not isinstance(record, dict):
        raise Broken("ledger: a trial is not one", hint="bring it back from a copy")
    return TrialResult.from_record(record)
