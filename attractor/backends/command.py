"""Executes stages with a command of the user, which gets the prompt on its input."""

from attractor.backends.outside import outside_backend
from attractor.backends.programs import Invocation, Program, Task, take_output
from attractor.backends.registry import OutsideParts
from attractor.backends.typed_command import typed_program


def invoke(task: Task) -> Invocation:
    """Return the input of the command, and the variables with the prompt file and the model."""
    file = "prompt.md"
    variables = {
        "ATTRACTOR_PROMPT_FILE": f"{task.home}/{file}",
        "ATTRACTOR_MODEL": task.choice.model,
    }
    return Invocation((), variables, {file: task.prompt}, task.prompt)


def program(parts: OutsideParts | None) -> Program:
    """Return the command that a person typed, otherwise that of the settings."""
    if parts and parts.command:
        return typed_program(parts)
    settings = parts.settings.command if parts and parts.settings else None
    return Program(
        name="command",
        remedy='set run in [backends.command] of attractor.toml, such as run = "my-agent"',
        invoke=invoke,
        drive=take_output,
        run=settings.run if settings else "",
        providers=(settings.provider,) if settings and settings.provider else (),
        read=settings.read if settings else (),
        needs_run=True,
        is_shell_command=True,
        prints_version=False,
    )


part = outside_backend(program)
