"""Writes the pages of the rules; cog puts them into the reference."""

import textwrap

from attractor.language.linting.pages import RulePage, read_pages


def rules() -> str:
    """Return a table of every rule."""
    rows = [
        f"| [`{page.rule}`](#{page.rule}) | {page.severity} | {page.sentence} |"
        for page in read_pages()
    ]
    return "\n".join(["| rule | severity | what holds |", "|---|---|---|", *rows])


def rule_pages() -> str:
    """Return the page of every rule."""
    return "\n\n".join(_page(page) for page in read_pages())


def _page(page: RulePage) -> str:
    return "\n\n".join(
        [
            f"## {page.rule}",
            f"{page.sentence} Broken, it is {_NAMED[page.severity]}.",
            textwrap.fill(f"**What it does:** {page.what}", 118),
            textwrap.fill(f"**Why:** {page.why}", 118),
            f"```dot\n{page.example}\n```",
            f"Instead:\n\n```dot\n{page.instead}\n```",
        ]
    )


_NAMED = {"error": "an error", "warning": "a warning", "info": "a note"}
