"""List and change the rules about the tool calls of an actor."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result, table
from attractor.cli.runs.actors import find, sender_of
from attractor.language.source.text import visible
from attractor.worlds.care import rules_of_task, rules_record, set_rules


@click.command()
@click.argument("name", metavar="ACTOR")
@click.option("--allow", multiple=True, metavar="RULE", help="Allow these calls, unasked.")
@click.option("--deny", multiple=True, metavar="RULE", help="Refuse these calls.")
@click.option("--remove", multiple=True, metavar="RULE", help="Remove a rule.")
@json_option
@click.pass_obj
def actor_rules(
    invocation: Invocation,
    name: str,
    allow: tuple[str, ...],
    deny: tuple[str, ...],
    remove: tuple[str, ...],
    as_json: bool,
) -> ExitCode:
    """List the rules about the tool calls of an actor, or change them from its next task on.

    A rule is a tool with a pattern of the command or the path: 'Bash(git status*)', 'Edit(docs/*)'.
    A refusal comes before what is allowed. They count while a person is asked (--permissions ask of
    'actor spawn' and 'actor change'). The answer 'always' to a question is a rule, too.
    """
    folder, opened = find(invocation, name)
    if allow or deny or remove:
        by = sender_of(invocation)
        set_rules(folder, by, opened, allow=allow, deny=deny, remove=remove)
    history, record = folder.read(), rules_record(folder)
    rows = [("rule", "effect")]
    rows += [(visible(rule), effect.value) for rule, effect in history.rules.items()]
    of_task = [one for one in rules_of_task(folder) if one not in history.rules]
    rows += [(visible(rule), "allow, of the task in work") for rule in of_task]
    words = "\n".join(table(rows)) if len(rows) > 1 else "There are no rules."
    if not history.actor.permissions.asks:
        words += "\nNo person is asked about its tool calls: the sandbox alone limits them."
    return show_result(record, words, as_json=as_json)


part = actor_rules
