"""The results of trials with every word of them: in the state folder, out of every run's sight.

A run's journal and the ledger only tell which trial ended how, under a name that means nothing to
whoever has no key, and pin the whole result by its seal.
"""

import hmac
from pathlib import Path

from attractor.base.dataclasses import dataclass
from attractor.base.errors import Broken, NotCanonical
from attractor.base.files import file_trouble, make_private_folder, write_whole
from attractor.base.json import Json, JsonObject, canonical_json, parse_json
from attractor.factory.ledger import Ledger
from attractor.scenarios.evaluation import TrialKey, TrialResult

OWNER_ONLY = 0o600
NAME_LENGTH = 16


@dataclass(frozen=True)
class Sitting:
    """One evaluation of one run: which tree is tried."""

    run_id: str
    number: int
    tree: str


@dataclass(frozen=True)
class Results:
    """Every result of a state folder."""

    folder: Path
    ledger: Ledger

    def cover_name(self, scenario: str) -> str:
        """Return the name a scenario has where others can read: only the key leads to it."""
        return self.ledger.seal_of(canonical_json({"scenario": scenario}))[:NAME_LENGTH]

    def keep(self, sitting: Sitting, result: TrialResult) -> JsonObject:
        """Keep a result whole, and return what others may know of it."""
        file = self._file(sitting, result.key)
        make_private_folder(file.parent)
        kept: JsonObject = {"trial": dict(result.to_record()), "seal": self._seal(sitting, result)}
        write_whole(file, canonical_json(kept), mode=OWNER_ONLY)
        return self.told(sitting, result)

    def told(self, sitting: Sitting, result: TrialResult) -> JsonObject:
        """Return what others may know of a result: counts, and the seal that pins the rest."""
        return {
            "scenario": self.cover_name(result.key.scenario),
            "trial": result.key.number,
            "satisfied": result.satisfied,
            "checks": len(result.checks),
            "passed": sum(check.passed for check in result.checks),
            "duration_ms": result.duration_ms,
            "retries": result.retries,
            "is_error": bool(result.error),
            "seal": self._seal(sitting, result),
        }

    def all_of(self, sitting: Sitting) -> list[TrialResult]:
        """Return every result that was kept of an evaluation, through or not."""
        return [self._read(sitting, file) for file in sorted(self._folder(sitting).glob("*.json"))]

    def pinned(self, sitting: Sitting, told: JsonObject) -> TrialResult:
        """Return the result that others were told of; it must be there, and that very one."""
        file = self._folder(sitting) / f"{told.get('scenario')}-{told.get('trial')}.json"
        result = self._read(sitting, file)
        if self.told(sitting, result) != told:
            raise _changed(file)
        return result

    def _read(self, sitting: Sitting, file: Path) -> TrialResult:
        try:
            kept = parse_json(file.read_bytes())
        except FileNotFoundError as cause:
            raise Broken(f"{file} is gone", hint="bring it back from a copy") from cause
        except OSError as cause:
            raise file_trouble("read", file, cause) from cause
        except NotCanonical as cause:
            raise _changed(file) from cause
        result, seal = _taken_apart(kept, file)
        is_whole = hmac.compare_digest(seal, self._seal(sitting, result))
        if not is_whole or file != self._file(sitting, result.key):
            raise _changed(file)
        return result

    def _folder(self, sitting: Sitting) -> Path:
        return self.folder / sitting.run_id / str(sitting.number)

    def _file(self, sitting: Sitting, key: TrialKey) -> Path:
        return self._folder(sitting) / f"{self.cover_name(key.scenario)}-{key.number}.json"

    def _seal(self, sitting: Sitting, result: TrialResult) -> str:
        words: JsonObject = {
            "run": sitting.run_id,
            "evaluation": sitting.number,
            "tree": sitting.tree,
            "trial": dict(result.to_record()),
        }
        return self.ledger.seal_of(canonical_json(words))


def _taken_apart(kept: Json, file: Path) -> tuple[TrialResult, str]:
    match kept:
        case {"trial": dict(trial), "seal": str(seal)}:
            return TrialResult.from_record(trial), seal
        case _:
            raise _changed(file)


def _changed(file: Path) -> Broken:
    return Broken(f"{file} is not the result that was kept", hint="bring it back from a copy")
