"""What a program brings along for its runs, besides what is found by name."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from attractor.base.dataclasses import dataclass
from attractor.engine.interfaces import Backend, Handler
from attractor.engine.questions.question import Interviewer
from attractor.language.diagnostics import Diagnostic, error
from attractor.language.linting.lint_rule import ExtraRules
from attractor.language.preparation.prepare import Transform

HANDED_IN = "handed in"
"""What stands in a manifest for the name of a part that a program handed in."""


@dataclass(frozen=True, kw_only=True)
class Brought:
    """The parts that a program hands in as objects, and pipelines that are no files, by name."""

    handlers: Mapping[str, Handler] = field(default_factory=dict[str, Handler])
    backend: Backend | None = None
    interviewer: Interviewer | None = None
    transforms: Sequence[Transform] = ()
    rules: ExtraRules = ()
    texts: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def names(self) -> tuple[str, ...]:
        """What a run cannot go on without, in words: how people are asked may change."""
        named = [f"handler {type_}" for type_ in sorted(self.handlers)]
        named += ["backend"] if self.backend else []
        return (*named, *(f"transform {type(one).__name__}" for one in self.transforms))

    def lacking(self, names: Sequence[str]) -> Iterator[Diagnostic]:
        """Yield what a run began with and is not brought along now."""
        for name in names:
            if name not in self.names:
                yield error(
                    f"the {name} was handed in by the program that began the run",
                    fix="go on from a program that hands it in: resume_pipeline",
                )


NOTHING_BROUGHT = Brought()
