"""Draw pipelines and the progress of runs."""

import sys

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.drawings.draw import ENDINGS, FORMATS, Drawing, refuse_overwriting
from attractor.cli.drawings.subject import Drawable, find_subject
from attractor.cli.invocation import Invocation, chosen_format, json_option
from attractor.cli.output.files import format_for, refuse_binary_on_terminal
from attractor.cli.pipelines.files import STANDARD_INPUT
from attractor.language.drawing.draw import Format
from attractor.language.drawing.theme import Theme


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE|RUN...")
@click.option(
    "-o",
    "--output",
    "output",
    metavar="OUT",
    help="Write to this file, or several drawings into this folder.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="Choose the output format (default: by the file extension of OUT, otherwise svg).",
)
@click.option(
    "--theme",
    type=click.Choice([one.value for one in Theme]),
    default=Theme.AUTO.value,
    show_default=True,
    help="Choose the colors; with auto, an SVG follows the viewer's light or dark mode.",
)
@click.option("--watch", is_flag=True, help="Draw again when a file changes, until Ctrl-C.")
@json_option
@click.pass_obj
def render(
    invocation: Invocation,
    words: tuple[str, ...],
    output: str | None,
    format_: str | None,
    theme: str,
    watch: bool,
    as_json: bool,
) -> ExitCode:
    """Draw pipelines and the progress of runs.

    FILE is a pipeline, or - for standard input. RUN is a run id, a unique prefix of one, a run
    directory, or 'latest'. The drawing of a run shows states, visits and times. Without --output,
    print the drawing to standard output. In an SVG, nodes have the element id node-ID, and edges
    have edge-FROM-TO. With --format json, list every node and edge with all attributes, including
    those inherited from node [...] and edge [...].

    Several pipelines, or the pipelines of a folder, are drawn beside their files or into the folder
    OUT. If a drawing fails, the others are still drawn, and the exit status is that of the failure.
    """
    from attractor.cli.drawings.draw import DrawingOptions as Order
    from attractor.cli.drawings.draw import are_several, draw_all

    requested = chosen_format(format_, as_json=as_json)
    if are_several(words, output):
        if watch or as_json:
            word = "--watch" if watch else "--json"
            raise UsageError(f"{word} takes one pipeline or run", hint="pass only one")
        return draw_all(words, Order(requested or Format.SVG, Theme(theme), output), invocation)
    [word] = words
    if watch and (not output or word == STANDARD_INPUT):
        raise UsageError(
            "--watch requires a file and --output", hint="attractor render FILE -o OUT --watch"
        )
    drawing = _drawing(find_subject(word, invocation), requested, Theme(theme), output)
    if watch:
        drawing.watch()
    drawing.draw()
    return ExitCode.DONE


def _drawing(subject: Drawable, requested: str | None, theme: Theme, output: str | None) -> Drawing:
    if output:
        refuse_overwriting(subject, output)
    chosen = format_for(requested, output, endings=ENDINGS, default=Format.SVG, noun="a drawing")
    if not output:
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
    return Drawing(subject, chosen, theme, output)


part = render
