"""What only the rooms above know, handed down so that rules can ask for it."""

from collections.abc import Callable, Set

from attractor.base.dataclasses import dataclass


@dataclass(frozen=True)
class Vocabulary:
    """Names a rule may check; None means: not given, be silent.

    Names that take time to gather are asked for one by one: `has_program` tells whether a program
    can be found here. `accelerator` returns the key that picks a label at a human gate.
    """

    types: Set[str] | None = None
    backends: Set[str] | None = None
    agents: Set[str] | None = None
    providers: Set[str] | None = None
    models: Set[str] | None = None
    has_program: Callable[[str], bool] | None = None
    accelerator: Callable[[str], str] | None = None
