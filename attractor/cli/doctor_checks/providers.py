"""Ways to models: keys of providers and logins of programs; values are never printed."""

from collections.abc import Sequence

from attractor.backends.model_sources import ModelSource, ModelSources
from attractor.backends.provider_needs import KEYS
from attractor.cli.doctor import Finding, Machine, missing, ok

_OTHERS = "other providers"


async def examine(machine: Machine) -> Sequence[Finding]:
    """Report each way to models that the machine has, and the native providers without a key."""
    state_dir = machine.configuration.settings.state_dir
    found = await ModelSources(state_dir, machine.environ).find()
    names = {one.name for one in found if one.kind != "login"}
    unset = [
        missing(
            f"key of {name}",
            f"{' or '.join(variables)} is not set",
            remedy=f"export {variables[0]}, to use its models",
        )
        for name, variables in KEYS.items()
        if name not in names
    ]
    if not names - {*KEYS}:
        remedy = "export GROQ_API_KEY, or the key of another provider"
        unset.append(missing(_OTHERS, "no API key is set", remedy=remedy))
    return [*map(_look, found), *unset]


def _look(one: ModelSource) -> Finding:
    is_login = one.kind == "login"
    subject = f"{'login' if is_login else 'key'} of {one.name}"
    if one.fault:
        return missing(subject, one.fault, remedy=one.step)
    facts = (
        one.set_by if is_login else f"{one.set_by} is set",
        f"not used: {one.step}" if is_login and one.step.startswith("unset") else "",
        str(one.trial or ""),
        f"limit: {one.limit}" if one.limit else "",
    )
    return ok(subject, "; ".join(filter(None, facts)))


part = examine
