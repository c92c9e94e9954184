"""Begin an app: write and commit its first files, and register its suite."""

import asyncio
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.base.files import read_text
from attractor.base.json import Json
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show, show_json
from attractor.cli.runs.orders import operator_name
from attractor.cli.runs.setup import model_options
from attractor.environments.selection import EnvironmentChoice, choose_environment

_WISHES = 3
_NO_MODEL = (
    "none; tables, forms, rules and boards need none (for wishes: attractor grow plan --model "
    "MODEL; for steps: attractor grow simulate PLAN --model MODEL; 'attractor models' lists models)"
)


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
@click.option(
    "--example",
    default="",
    metavar="NAME",
    help="Begin this example: farmer-contract-allocation, immigration-policy-impact or lending.",
)
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A document, desires in JSON or YAML, or free text. May be repeated: the first one begins "
    "the specification, others add desires.",
)
@click.option("--name", default="", help="Name the app and its suite (default: by the folder).")
@model_options(
    "Write this model into the settings of the app, after its key was tried.",
    "Write this provider into the settings of the app.",
)
@json_option
@click.pass_obj
def init(
    invocation: Invocation,
    *,
    folder: Path,
    example: str,
    sources: tuple[Path, ...],
    name: str,
    model: str,
    provider: str,
    as_json: bool,
) -> ExitCode:
    """Begin an app: write and commit its first files, and register its suite.

    DIR (default: the current folder) is a new or empty folder, or a repository. The files are
    settings, growth plates (spec/development.toml), a suite, ignore rules, and a copy of the
    packages that the app imports, from this Python. Profile and suite are registered. No file is
    overwritten.

    With --example, specification, scenarios and a script in the place of models are shipped with
    the package: no key and no network is needed. Without --example and --from, the purpose and
    three wishes are asked at a terminal. Free text and wishes need a model; tables, forms, rules
    and boards of a document need none. The output ends with the next commands.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.first_app import begin_app
    from attractor.growth.first_app.files import example_app, own_app
    from attractor.growth.normalize.reading import read_given

    place = folder.resolve()
    name = name or example or place.name
    if example and sources:
        raise UsageError("--example and --from together", hint="remove one of them")
    if example:
        app = example_app(example, name)
    elif sources:
        texts = {str(one): read_text(one, UsageError) for one in sources}
        app = own_app(name, [read_given(text, source=one) for one, text in texts.items()])
    elif invocation.has_terminal and not as_json:
        app = own_app(name, [*_ask()])
    else:
        raise UsageError("missing --from FILE", hint="or begin the example: --example lending")
    sandbox = asyncio.run(choose_environment("auto", environ=invocation.environ, hide=()))
    sandbox.require_ports()
    record = begin_app(
        place,
        app,
        invocation.environ,
        by=operator_name(invocation),
        is_guarded=sandbox.settings is not None,
        model=model,
        provider=provider,
    )
    if place != invocation.folder.resolve():
        steps = cast("list[Json]", record["next"])
        steps.insert(0, f"cd {shlex.quote(str(folder))}")
    show_json(record) if as_json else show("\n".join(_lines(record, sandbox)))
    return ExitCode.DONE


def _ask() -> Iterator[Any]:
    """Yield a document and desires, from the answers of a person."""
    from attractor.growth.normalize.reading import read_structured

    purpose = click.prompt("What is the app for", err=True)
    yield read_structured({"identity": {"purpose": purpose}}, source="the purpose")
    wishes = [click.prompt(f"Wish {number}", err=True) for number in range(1, _WISHES + 1)]
    yield read_structured([{"goal": one} for one in wishes], source="the wishes")


def _lines(record: Mapping[str, Any], sandbox: EnvironmentChoice) -> Iterator[str]:
    suite = record["suite"]
    yield f"{record['spec_graph_id']}: {record['spec_summary']}"
    yield f"suite {record['name']}: version {suite['version']}, profile {record['profile']}"
    yield from (f"  hidden scenario: {one}" for one in record["holdouts"])
    if sandbox.make_showing is None:
        those = "the app has" if record["is_guarded"] else "agents and the app have"
        yield f"  isolation_unverified: no bubblewrap here, so {those} your rights"
    yield f"model: {record['model'] or _NO_MODEL}"
    yield "next:"
    yield from (f"  {one}" for one in record["next"])


part = init
