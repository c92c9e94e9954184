"""Explain the rules for pipelines."""

from dataclasses import asdict

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show, show_json
from attractor.language.linting.pages import read_page, read_pages


@click.command()
@click.argument("rule", required=False, metavar="[RULE]")
@json_option
def rules(rule: str | None, as_json: bool) -> ExitCode:
    """Explain the rules for pipelines.

    Without RULE, list all rules with their severities. RULE is a name that 'attractor validate'
    prints in brackets. With RULE, show the page of the rule: the reported problem, the reason, an
    example and the fix.
    """
    pages = [read_page(rule)] if rule else list(read_pages())
    if as_json:
        show_json(
            asdict(pages[0])
            if rule
            else [
                {"rule": page.rule, "severity": page.severity, "sentence": page.sentence}
                for page in pages
            ]
        )
    elif rule:
        show(f"{pages[0].rule} ({pages[0].severity})\n\n{pages[0].text}")
    else:
        width = max(len(page.rule) for page in pages)
        for page in pages:
            show(f"{page.rule:<{width}}  {page.severity:<7}  {page.sentence}")
    return ExitCode.DONE


part = rules
