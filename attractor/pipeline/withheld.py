"""What a run was given and its directory does not keep: who goes on with it gives it again."""

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.secrets import Redactor
from attractor.language.diagnostics import Diagnostic, error, suggester
from attractor.language.preparation.inputs import variable_of
from attractor.language.source.text import quote
from attractor.pipeline.options import RunOptions

GOAL = "goal"
_INPUT = "inputs."


@dataclass(frozen=True, kw_only=True)
class Given:
    """What is given again to a run that goes on."""

    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def by_name(self) -> Mapping[str, str]:
        """Return it all by the names that a manifest has for it."""
        goal = {GOAL: self.goal} if self.goal else {}
        return {**goal, **{f"{_INPUT}{name}": value for name, value in self.inputs.items()}}


NOTHING_GIVEN = Given()


def kept_record(options: RunOptions, redactor: Redactor) -> dict[str, Json]:
    """Return options as a manifest keeps them: without secrets, and with the names of what went."""
    withheld = dict.fromkeys((*options.withheld, *withheld_of(options, redactor).by_name))
    return redactor.members(replace(options, withheld=tuple(withheld)).to_record())


def withheld_of(options: RunOptions, redactor: Redactor) -> Given:
    """Return what of the options no manifest keeps."""
    lost = {name: one for name, one in options.inputs.items() if redactor.text(one) != one}
    is_kept = redactor.text(options.goal) == options.goal
    return Given(goal="" if is_kept else options.goal, inputs=lost)


def restored(options: RunOptions, given: Given, environ: Mapping[str, str]) -> RunOptions:
    """Return options with what was withheld in its place; what still lacks stays withheld.

    An input may be given by its variable as well.
    """
    by_name = given.by_name
    inputs, goal, lacking = dict(options.inputs), options.goal, list[str]()
    for name in options.withheld:
        bare = name.removeprefix(_INPUT)
        value = by_name.get(name) or (environ.get(variable_of(bare)) if name != GOAL else "")
        if name == GOAL:
            goal = value or ""
        elif value:
            inputs[bare] = value
        else:
            inputs.pop(bare, None)
        lacking += [] if value else [name]
    return replace(options, goal=goal, inputs=inputs, withheld=tuple(lacking))


def secrets_of(given: Given, redactor: Redactor) -> Iterator[str]:
    """Yield what is secret of what is given again.

    It was withheld for a secret in it: where that is not known to be one any more, all of it is.
    """
    yield from given.inputs.values()
    if given.goal and redactor.text(given.goal) == given.goal:
        yield given.goal


def require_withheld(options: RunOptions, given: Given) -> None:
    """Refuse to give a run something else than what its directory does not keep."""
    for name in given.by_name:
        if name not in options.withheld:
            bare = [one.removeprefix(_INPUT) for one in options.withheld if one != GOAL]
            told = name.removeprefix(_INPUT)
            what = "goal" if name == GOAL else f"input {quote(told)}"
            raise UsageError(
                f"the run is not to be given the {what}: it goes on with what it began with",
                hint=suggester(bare)(told) or "give again only what was secret, or start a new run",
            )


def find_withheld(options: RunOptions) -> Iterator[Diagnostic]:
    """Yield what a run was given and needs again."""
    for name in options.withheld:
        if name == GOAL:
            told = "the goal that was given holds a secret, and is not kept"
            yield error(told, fix="give it again: --goal TEXT")
        else:
            bare = name.removeprefix(_INPUT)
            told = f"the input {bare} holds a secret, and is not kept"
            yield error(told, fix=f"give it again: {ways_to_give(bare)}")


def ways_to_give(name: str) -> str:
    """Return how a secret input is given, without others seeing it in a list of processes."""
    variable = variable_of(name)
    return f"set the variable {variable}, or add --input {name}=@env:NAME or {name}=@file:FILE"
