"""Keys of the model providers: whether there is one, never what it is."""

from collections.abc import Sequence

from attractor.cli.examination import Finding, Machine, missing, ok

KEYS = {
    "openai": ("OPENAI_API_KEY",),
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report for each provider whether its key is set."""
    return [_look(machine, provider, names) for provider, names in KEYS.items()]


def _look(machine: Machine, provider: str, names: Sequence[str]) -> Finding:
    subject = f"key of {provider}"
    present = [name for name in names if machine.environ.get(name)]
    if present:
        return ok(subject, f"{present[0]} is set")
    return missing(
        subject, f"{' or '.join(names)} is not set", remedy=f"export {names[0]}, to use its models"
    )


part = examine
