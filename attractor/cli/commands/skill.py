"""Write a skill that teaches coding agents to write and run pipelines."""

from pathlib import Path

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.config.projects import find_project_root


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False, metavar="[DIR]")
@click.option("--force", is_flag=True, help="Overwrite files that were changed or are not its own.")
@json_option
@click.pass_obj
def skill(invocation: Invocation, folder: Path | None, force: bool, as_json: bool) -> ExitCode:
    """Write a skill that teaches coding agents to write and run pipelines.

    DIR is the folder of the skill. By default, the skill is written where coding agents look in a
    project: .claude/skills/attractor (Claude Code, opencode) and .agents/skills/attractor (codex,
    gemini-cli, opencode). The skill consists of SKILL.md and two references, with the attributes
    and rules of this version. Write it again after an update. Changed files are
    overwritten with --force only.
    """
    # Imported here, because it loads all rules and handlers.
    from attractor.projects.skill import SKILL_FOLDERS, write_skill

    root = find_project_root(invocation.folder)
    folders = [folder] if folder else [root / one for one in SKILL_FOLDERS]
    files = [file for one in folders for file in write_skill(one, force=force)]
    words = "\n".join(f"wrote {file}" for file in files)
    return show_result({"files": [str(file) for file in files]}, words, as_json=as_json)


part = skill
