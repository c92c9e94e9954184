"""Turn a document, desires or free text into a specification."""

import click

from attractor.base.errors import ExitCode
from attractor.cli.invocation import Invocation, json_option
from attractor.cli.output.streams import show_result
from attractor.cli.runs.growth import control_plane_of
from attractor.cli.runs.specs import read_words, spec_lines
from attractor.cli.shell_completion import complete_files


@click.command()
@click.argument("words", nargs=-1, metavar="[FILE|TEXT]", shell_complete=complete_files)
@click.option("--base", default="", metavar="ID", help="Add desires to this specification.")
@json_option
@click.pass_obj
def normalize(invocation: Invocation, words: tuple[str, ...], base: str, as_json: bool) -> ExitCode:
    """Turn a document, desires or free text into a specification.

    FILE (default: standard input) or TEXT is a document in YAML (identity: ...), a desire (goal:
    ...), a list of desires, an input of the planner, or free text. Documents and desires become
    nodes by rule. Free text goes to the model of the settings, which must quote the text: an answer
    with other quotations, or of another form, is sent back twice, then refused. With --base, only
    desires are added; ID is an id, the beginning of an id, or HEAD (the specification in the
    repository).

    The specification is stored below runs/growth/, and no file of the repository changes. The first
    specification of an app can be committed after 'attractor spec export ID --files'; otherwise the
    first plan commits it.
    """
    # Imported here, because only commands of growth need it.
    from attractor.growth.api.specs import normalize_given
    from attractor.growth.normalize.reading import read_given

    text, source = read_words(words)
    record = normalize_given(control_plane_of(invocation), read_given(text, source=source), base)
    id_ = record["spec_graph_id"]
    return show_result(
        record, *spec_lines(record), f"next: attractor spec show {id_}", as_json=as_json
    )


part = normalize
