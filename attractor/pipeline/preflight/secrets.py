"""What a run was given and its directory does not keep: who goes on with it gives it again.

Finds the secrets that stand in a pipeline: its text is kept as it is, so it may hold none.

Tells as well of values that would be secret and cannot be kept out of what Attractor writes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace

from attractor.base.dataclasses import dataclass
from attractor.base.errors import UsageError
from attractor.base.json import Json
from attractor.engine.storage.secrets import Redactor, is_telling
from attractor.language.declarations.inputs import is_of_input, variable_of
from attractor.language.diagnostics import Diagnostic, error, suggester
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import quote
from attractor.pipeline.host import RunHost, is_ours
from attractor.pipeline.options import RunOptions
from attractor.pipeline.source import PipelineSource

GOAL = "goal"
_INPUT = "inputs."


@dataclass(frozen=True, kw_only=True)
class GivenSecrets:
    """What is given again to a run that goes on."""

    goal: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def by_name(self) -> Mapping[str, str]:
        """Return it all by the names that a manifest has for it."""
        goal = {GOAL: self.goal} if self.goal else {}
        return {**goal, **{f"{_INPUT}{name}": value for name, value in self.inputs.items()}}


NOTHING_GIVEN = GivenSecrets()


def kept_record(options: RunOptions, redactor: Redactor) -> dict[str, Json]:
    """Return options as a manifest keeps them: without secrets, and with the names of what went."""
    withheld = dict.fromkeys((*options.withheld, *withheld_of(options, redactor).by_name))
    return redactor.members(replace(options, withheld=tuple(withheld)).to_record())


def withheld_of(options: RunOptions, redactor: Redactor) -> GivenSecrets:
    """Return what of the options no manifest keeps."""
    lost = {name: one for name, one in options.inputs.items() if redactor.text(one) != one}
    is_kept = redactor.text(options.goal) == options.goal
    return GivenSecrets(goal="" if is_kept else options.goal, inputs=lost)


def restored(options: RunOptions, given: GivenSecrets, environ: Mapping[str, str]) -> RunOptions:
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


def secrets_of(given: GivenSecrets, redactor: Redactor) -> Iterator[str]:
    """Yield what is secret of what is given again.

    It was withheld for a secret in it: where that is not known to be one any more, all of it is.
    """
    yield from given.inputs.values()
    if given.goal and redactor.text(given.goal) == given.goal:
        yield given.goal


def require_withheld(options: RunOptions, given: GivenSecrets) -> None:
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


_REMEDY = "take it out: what a command needs is an input of type secret"


def find_told_secrets(
    pipeline: PipelineSource, redactor: Redactor, environ: Mapping[str, str], *, file: str = ""
) -> Iterator[Diagnostic]:
    """Yield the files of a pipeline that hold the value of a secret, each with the place."""
    named = file or pipeline.graph.span.file
    yield from _told(pipeline.text, named, redactor, environ)
    for name, content in pipeline.files.items():
        yield from _told(content.decode("utf-8", "replace"), name, redactor, environ)


def variables_in(text: str, redactor: Redactor, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the variables whose values are secrets that stand in a text."""
    return [
        name
        for name, value in environ.items()
        if (is_telling(name) or is_of_input(name))
        and redactor.finds(value)
        and Redactor([value]).finds(text)
    ]


def tell_unkept(world: RunHost) -> None:
    """Say whose values are in no way kept secret, by the names of the variables alone."""
    names = [name for name in world.secret_variables if is_ours(world.environ[name])]
    if not names:
        return
    what = "the value" if len(names) == 1 else "the values"
    stands = "it stands" if len(names) == 1 else "they stand"
    world.tell(
        f"Not kept secret: {what} of {', '.join(names)}, for {stands} in what Attractor itself "
        "writes in every run."
    )


def _told(
    text: str, file: str, redactor: Redactor, environ: Mapping[str, str]
) -> Iterator[Diagnostic]:
    if not redactor.finds(text):
        return
    lines = text.split("\n")
    line = next((at for at, one in enumerate(lines, 1) if redactor.finds(one)), 1)
    names = variables_in(text, redactor, environ)
    where = Span(file, line, 1, line, 1)
    of = f"of the variable {names[0]}" if names else "of a secret"
    unset = f"; or, if it is none, start attractor without it: env -u {names[0]}" if names else ""
    yield error(f"the pipeline holds the value {of}", where, fix=f"{_REMEDY}{unset}")
