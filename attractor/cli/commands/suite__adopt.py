"""Take drafts of the tester into a suite."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.setup import project_of
from attractor.cli.shell_completion import complete_runs
from attractor.records.lookup import find_run
from attractor.scenarios.suite_files import SPLITS


@click.command("adopt")
@click.argument("run", metavar="RUN", shell_complete=complete_runs)
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("ids", nargs=-1, metavar="[DRAFT]...")
@click.option("--holdout", is_flag=True, help="Confirm them as holdouts (default: for train).")
@json_option
@click.pass_obj
def adopt(
    invocation: Invocation,
    run: str,
    folder: Path,
    ids: tuple[str, ...],
    holdout: bool,
    as_json: bool,
) -> ExitCode:
    """Take drafts of the tester into a suite, as train scenarios.

    RUN is a run of the crew, which kept the drafts that hold for the app and notice a mutant of it.
    FOLDER is the source of the suite. Without DRAFT, all drafts of the run are taken. A scenario of
    the suite is never replaced. Read the drafts before --holdout: only a person knows whether they
    say what the app should do. The suite judges by them once 'attractor suite register' seals it.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.crew.drafts import adopt_drafts

    directory = find_run(run, project_of(invocation).runs_dir)
    files = adopt_drafts(directory, folder, ids, split=SPLITS[holdout])
    return show_result(
        {"folder": str(folder), "files": [str(file) for file in files]},
        "\n".join(f"wrote {file}" for file in files),
        f"next: attractor suite register {folder}",
        as_json=as_json,
    )


part = adopt
