"""Keys of model providers: set or missing; values are never printed."""

from collections.abc import Sequence

from attractor.backends.models import KEYS, find_served
from attractor.cli.doctor import Finding, Machine, missing, ok

_OTHERS = "other providers"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report for each provider whether its API key is set, and list other available providers."""
    ours = [_look(machine, provider, names) for provider, names in KEYS.items()]
    served = await find_served(machine.environ)
    if served:
        return [*ours, ok(_OTHERS, f"{', '.join(served)} can be asked")]
    message = "no API key is set"
    return [
        *ours,
        missing(_OTHERS, message, remedy="export GROQ_API_KEY, or the key of another provider"),
    ]


def _look(machine: Machine, provider: str, names: Sequence[str]) -> Finding:
    subject = f"key of {provider}"
    present = [name for name in names if machine.environ.get(name)]
    if present:
        return ok(subject, f"{present[0]} is set")
    return missing(
        subject, f"{' or '.join(names)} is not set", remedy=f"export {names[0]}, to use its models"
    )


part = examine
