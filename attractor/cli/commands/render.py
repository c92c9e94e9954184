"""Draw pipelines, or how far runs have come."""

import sys

import click

from attractor.base.errors import ExitCode, UsageError
from attractor.cli.drawings.draw import ENDINGS, FORMATS, Drawing, refuse_replacing
from attractor.cli.drawings.subject import Readable, find_subject
from attractor.cli.invocation import Invocation, json_option, said_format
from attractor.cli.output.files import format_for, refuse_binary_on_terminal
from attractor.cli.pipelines.files import STANDARD_INPUT
from attractor.language.drawing.colors import Theme
from attractor.language.drawing.draw import Format


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE|RUN...")
@click.option(
    "-o",
    "--output",
    "output",
    metavar="OUT",
    help="Write into this file, or several drawings into this folder.",
)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    help="What to make of it; unless said, what the ending of OUT says, else svg.",
)
@click.option(
    "--theme",
    type=click.Choice([one.value for one in Theme]),
    default=Theme.AUTO.value,
    show_default=True,
    help="The surroundings it is for; auto is an SVG that suits itself to both.",
)
@click.option("--watch", is_flag=True, help="Draw again whenever a file changes, until Ctrl-C.")
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
    """Draw pipelines, or how far runs have come.

    FILE is a pipeline, or - for standard input. RUN is an id, the beginning of one, a run
    directory, or 'latest': states, visits and times are drawn in. The drawing goes to standard
    output, or into a file. In an SVG a node has the id node-ID, an edge edge-FROM-TO. With --format
    json every node and edge is listed with its attributes, those from default blocks among them.

    Of several, and of the pipelines in a folder, each is drawn beside its file, or into the folder
    OUT. One that cannot be drawn is told, the others are drawn, and it ends with its exit code.
    """
    from attractor.cli.drawings.draw import DrawingOptions as Order
    from attractor.cli.drawings.draw import are_several, draw_all

    said = said_format(format_, as_json=as_json)
    if are_several(words, output):
        if watch or as_json:
            word = "--watch" if watch else "--json"
            raise UsageError(f"{word} goes with one pipeline or run", hint="name one alone")
        return draw_all(words, Order(said or Format.SVG, Theme(theme), output), invocation)
    [word] = words
    if watch and (not output or word == STANDARD_INPUT):
        raise UsageError("--watch reads a file and writes one", hint="name both: FILE -o OUT")
    drawing = _drawing(find_subject(word, invocation), said, Theme(theme), output)
    if watch:
        drawing.watch()
    drawing.draw()
    return ExitCode.DONE


def _drawing(subject: Readable, said: str | None, theme: Theme, output: str | None) -> Drawing:
    if output:
        refuse_replacing(subject, output)
    chosen = format_for(said, output, endings=ENDINGS, usual=Format.SVG, noun="a drawing")
    if not output:
        refuse_binary_on_terminal(chosen, is_terminal=sys.stdout.isatty())
    return Drawing(subject, chosen, theme, output)


part = render
