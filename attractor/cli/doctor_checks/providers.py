"""Keys of model providers: set or missing; values are never printed."""

from collections.abc import Sequence

from attractor.backends.models import ProviderKey, find_incomplete, read_provider_keys
from attractor.cli.doctor import Finding, Machine, missing, ok

_OTHERS = "other providers"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report for each provider whether its API key is set, and list other available providers."""
    keys = await read_provider_keys(machine.environ)
    ours = [_look(key) for key in keys if key.variables]
    ours += [
        missing(f"key of {name}", fault.message, remedy=fault.hint)
        for name, fault in (await find_incomplete(machine.environ)).items()
    ]
    served = [key.provider for key in keys if not key.variables]
    if served:
        return [*ours, ok(_OTHERS, f"{', '.join(served)} can be asked")]
    message = "no API key is set"
    return [
        *ours,
        missing(_OTHERS, message, remedy="export GROQ_API_KEY, or the key of another provider"),
    ]


def _look(one: ProviderKey) -> Finding:
    subject = f"key of {one.provider}"
    if one.is_set:
        return ok(subject, f"{one.set_by} is set")
    return missing(
        subject,
        f"{' or '.join(one.variables)} is not set",
        remedy=f"export {one.variables[0]}, to use its models",
    )


part = examine
