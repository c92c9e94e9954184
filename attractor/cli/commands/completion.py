"""Print the completion script for a shell."""

import click
from click.shell_completion import get_completion_class

from attractor.base.errors import ExitCode
from attractor.cli.invocation import json_option
from attractor.cli.output.streams import show_result

SHELLS = ("bash", "zsh", "fish")
FILES = {
    "bash": "~/.bashrc",
    "zsh": "~/.zshrc",
    "fish": "~/.config/fish/completions/attractor.fish",
}


@click.command()
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
@json_option
@click.pass_context
def completion(ctx: click.Context, shell: str, as_json: bool) -> ExitCode:
    """Print the completion script for a shell.

    SHELL is bash, zsh or fish. To install the script, run this command once and open a new shell:
    attractor completion bash >> ~/.bashrc (zsh: ~/.zshrc; fish:
    ~/.config/fish/completions/attractor.fish).
    """
    kind = get_completion_class(shell)
    assert kind is not None
    program = ctx.find_root().info_name or "attractor"
    script = kind(ctx.find_root().command, {}, program, f"_{program.upper()}_COMPLETE").source()
    return show_result(
        {"shell": shell, "script": script, "file": FILES[shell]}, script, as_json=as_json
    )


part = completion
