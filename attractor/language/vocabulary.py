"""Names that only the rooms above know, handed down so that rules can check them."""

from collections.abc import Mapping, Set
from dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Names a rule may check; None means: not given, be silent."""

    types: Set[str] | None = None
    backends: Set[str] | None = None
    agents: Set[str] | None = None
    providers: Set[str] | None = None
    models: Set[str] | None = None
    programs: Set[str] | None = None
    files: Mapping[str, bytes] | None = None
