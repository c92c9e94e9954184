"""Commands and options by the words that people of other tools type first."""

from collections.abc import Mapping, Sequence

import click

from attractor.base.errors import suggest

COMMANDS: Mapping[str, str] = {
    **dict.fromkeys(("list", "ls", "ps"), "attractor runs"),
    **dict.fromkeys(("show", "info", "describe"), "attractor status RUN"),
    "watch": "attractor status --watch",
    **dict.fromkeys(("tail", "log"), "attractor logs --follow"),
    **dict.fromkeys(("web", "ui", "dashboard", "open"), "attractor serve"),
    **dict.fromkeys(("stop", "kill", "abort"), "attractor cancel RUN"),
    "approve": "attractor decide RUN --approve --reason '...'",
    "reject": "attractor decide RUN --reject --reason '...'",
    **dict.fromkeys(("start", "exec-pipeline", "execute"), "attractor run PIPELINE.dot"),
    **dict.fromkeys(("lint", "check", "verify"), "attractor validate FILE"),
    **dict.fromkeys(("explain", "why"), "attractor diagnose RUN, or attractor rules RULE"),
    **dict.fromkeys(("config", "settings"), "attractor doctor, and attractor.toml"),
    "replay": "attractor fork RUN NODE, or attractor twin llm --replay FILE",
    **dict.fromkeys(("graph", "draw", "plot"), "attractor render FILE -o OUT.svg"),
    "version": "attractor --version",
    "format": "attractor fmt FILE",
    **dict.fromkeys(("clean", "prune", "rm", "delete"), "attractor gc"),
    **dict.fromkeys(("retry", "continue"), "attractor resume RUN"),
    **dict.fromkeys(("merge", "ship"), "attractor promote RUN --to BRANCH"),
    **dict.fromkeys(("undo", "revert"), "attractor rollback RUN"),
    **dict.fromkeys(("create", "generate"), "attractor new TASK"),
    **dict.fromkeys(("setup", "install"), "attractor init"),
    "chat": "attractor agent TASK",
    **dict.fromkeys(("cost", "stats"), "attractor report"),
    **dict.fromkeys(("inbox", "todo", "notifications"), "attractor attention"),
    **dict.fromkeys(("cron", "schedule", "trigger"), "attractor automation create"),
    **dict.fromkeys(("auth",), "attractor doctor (keys of models), or attractor token create"),
    "queue add": "attractor promote RUN --queue",
}
"""The command that is meant by a word that is no command."""

VERBS = (
    "create add new spawn register init make draft",
    "remove rm delete destroy archive retire revoke drop",
    "stop kill cancel abort end pause",
    "list ls ps all",
    "show status info describe get view",
    "run start trigger exec",
    "prompt send tell ask message",
    "attach watch follow logs open",
)
"""The words for one thing: a group has one of them, and people try the others."""


def find_command(group: str, name: str, known: Sequence[str]) -> str:
    """Return the command that an unknown word means, at the root or in a group, or ""."""
    if meant := COMMANDS.get(f"{group} {name}".strip()):
        return meant
    alike = (word for verbs in VERBS if name in verbs.split() for word in verbs.split())
    return next((f"attractor {group} {word}" for word in alike if group and word in known), "")


def find_elsewhere(name: str, commands: Sequence[str], *, is_near: bool) -> str:
    """Return the commands of all groups nearest to an unknown name: `suite register`; or "".

    If a command of its own group `is_near`, only exactly this name counts.
    """
    by_word: dict[str, list[str]] = {}
    for command in commands:
        for word in {command, command.split()[-1]}:
            by_word.setdefault(word, []).append(f"attractor {command}")
    near = name if name in by_word else "" if is_near else suggest(name, by_word)
    return " or ".join(by_word.get(near, ()))


OPTIONS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("--budget", "--cost", "--max-cost"), ("--max-cost-usd",)),
    "--tokens": ("--max-tokens",),
    **dict.fromkeys(("--timeout", "--time-limit"), ("--max-duration",)),
    **dict.fromkeys(("--var", "--param", "--set", "--arg"), ("--input",)),
    "--dry-run": ("--preflight", "--check"),
    **dict.fromkeys(("--out", "--file"), ("--output",)),
    **dict.fromkeys(("--message", "--because"), ("--reason",)),
    "--branch": ("--to",),
    "--follow": ("--watch",),
    "--watch": ("--follow",),
}
"""The options that are meant by a word, if the command has them."""


def find_option(name: str, command: click.Command) -> str:
    """Return a hint with the option that a command has instead of an unknown one, or ""."""
    known = {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    meant = [option for option in OPTIONS.get(name, ()) if option in known]
    if meant:
        return f"did you mean {meant[0]}?"
    # `fork RUN NODE`: what other tools name by an option is an argument here.
    argument = next(
        (parameter for parameter in command.params if f"--{parameter.name}" == name), None
    )
    if isinstance(argument, click.Argument):
        metavar = argument.make_metavar(click.Context(command)).replace("[@", "@").strip("[]")
        is_last = [one for one in command.params if isinstance(one, click.Argument)][-1] is argument
        return f"write {metavar} as {'the last' if is_last else 'an'} argument"
    return ""
