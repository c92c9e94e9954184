"""Which of the branches that met is the best: by how they ended, then by score, then by id."""

from collections.abc import Mapping, Sequence
from math import isnan

from attractor.base.dataclasses import dataclass
from attractor.base.json import Json
from attractor.engine.routing.edge_labels import normalize_label

_RANKS = ("success", "partial_success", "retry", "fail", "canceled")
_GOOD = frozenset(_RANKS[:2])
_LONGEST_NOTE = 2000

NO_ITEMS = "parallel.no_items"
"""Where it says that there was nothing to branch for, so that no results are no fault."""


@dataclass(frozen=True)
class Candidate:
    """What a fan-in knows of a branch; the key is what it goes by in the journal."""

    id: str
    key: str
    outcome: str
    score: float
    base: str
    tree: str
    result: Mapping[str, Json]

    @property
    def is_good(self) -> bool:
        """Whether the branch succeeded, if in part."""
        return self.outcome in _GOOD

    @property
    def rank(self) -> tuple[int, float, str]:
        """What candidates are sorted by, the best one first."""
        return (_RANKS.index(self.outcome), -self.score, self.id)


def read_candidates(results: Json) -> Sequence[Candidate]:
    """Read `parallel.results`; what is no result of a branch is passed over."""
    found = results if isinstance(results, list) else []
    return [_candidate(one) for one in found if isinstance(one, dict) and one.get("id")]


def best_of(candidates: Sequence[Candidate]) -> Candidate:
    """Return the best one (attractor-spec 4.9)."""
    return min(candidates, key=lambda one: one.rank)


def find_named(candidates: Sequence[Candidate], said: str) -> Candidate | None:
    """Return the candidate that an answer names: alone, or as the only one in its last line."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    for text in (said.strip(), *lines[-1:]):
        wanted = normalize_label(text.strip("`'\"*. "))
        for one in candidates:
            if normalize_label(one.id) == wanted:
                return one
    words = {word.strip("`'\"*.,:;()[] ") for word in (lines[-1] if lines else "").split()}
    named = [one for one in candidates if one.id in words]
    return named[0] if len(named) == 1 else None


def describe(candidates: Sequence[Candidate]) -> str:
    """Return the candidates for whoever is to choose among them."""
    return "\n\n".join(_described(one) for one in candidates)


def _candidate(result: Mapping[str, Json]) -> Candidate:
    outcome, updates = result.get("outcome"), result.get("context_updates")
    score = updates.get("score") if isinstance(updates, dict) else None
    return Candidate(
        id=str(result["id"]),
        key=str(result.get("branch") or result["id"]),
        outcome=outcome if isinstance(outcome, str) and outcome in _RANKS else "fail",
        score=_number(score),
        base=str(result.get("base") or ""),
        tree=str(result.get("tree") or ""),
        result=result,
    )


def _number(score: Json) -> float:
    try:
        number = float(score) if isinstance(score, int | float | str) else 0.0
    except (ValueError, OverflowError):
        return 0.0
    return 0.0 if isnan(number) else number


def _described(one: Candidate) -> str:
    changed = one.result.get("files_changed")
    files = ", ".join(map(str, changed)) if isinstance(changed, list) and changed else "none"
    said = str(one.result.get("response") or one.result.get("notes") or "")
    return "\n".join(
        [
            f"## {one.id}",
            f"outcome: {one.outcome}",
            f"files changed: {files}",
            *([said[:_LONGEST_NOTE]] if said else []),
        ]
    )
