"""Variables and packages that the models of a provider need, and the providers of models.

`validate` reads this module, so that it imports no client.
"""

from collections.abc import Mapping, Sequence

from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.errors import ConfigurationError
from attractor.llm.providers.litellm_providers import find_variables

KEYS: Mapping[str, tuple[str, ...]] = {
    "anthropic": ("ANTHROPIC_API_KEY",),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    "openai": ("OPENAI_API_KEY",),
    "openai_compatible": ("OPENAI_COMPATIBLE_BASE_URL",),
}
"""Variables that configure the native providers; one variable of a provider is enough."""

_NOTHING_SET: Mapping[str, str] = {}


def find_known(model: str, provider: str = "") -> ModelInfo | None:
    """Return the catalogue entry of a model; None also if the catalogue cannot be read."""
    try:
        return get_model_info(model, provider) if model else None
    except ConfigurationError:
        return None


def provider_of(model: str) -> str:
    """Return the provider of a model by the model's name or short name; empty if unknown."""
    known = find_known(model)
    if known and known.provider in KEYS:
        return known.provider
    # Profiles import asyncio, and few models are unknown or of another provider.
    from attractor.agent.provider_profile import find_provider

    if found := find_provider(model):
        return found
    if known:
        return known.provider
    prefix, _, rest = model.partition("/")
    return prefix if rest and variables_of(prefix) else ""


def is_provider(provider: str) -> bool:
    """Return whether a provider exists, natively or served by another adapter."""
    if provider in KEYS or variables_of(provider):
        return True
    # Adapters import httpx, and only those of other distributions are left.
    from attractor.llm.client import provider_registry

    return provider in provider_registry()


def has_native_key(provider: str, environ: Mapping[str, str]) -> bool:
    """Return whether the key of a provider is set: for local servers the URL, for clouds all."""
    alternatives = (names.split(" and ") for names in KEYS.get(provider) or variables_of(provider))
    return any(all(environ.get(name, "").strip() for name in names) for names in alternatives)


def variables_of(provider: str) -> Sequence[str]:
    """Return the alternative variables of a provider that another adapter serves."""
    if provider not in KEYS and (needs := find_variables(provider)):
        return [" and ".join(names) for names in needs.alternatives]
    # Adapters import httpx, and only those of other distributions are left.
    from attractor.llm.client import ServesOthers, provider_registry

    for part in (provider_registry()[name] for name in provider_registry() if name not in KEYS):
        if issubclass(part, ServesOthers) and (variables := part.variables_of(provider)):
            return variables
    return ()


def find_fault(provider: str, environ: Mapping[str, str]) -> ConfigurationError | None:
    """Return the missing variables or the missing package of a native provider or of litellm's."""
    needs = None if provider in KEYS else find_variables(provider)
    if needs is None and provider not in KEYS:
        return None
    if not has_native_key(provider, environ):
        return missing_variables(provider, environ)
    try:
        if needs:
            needs.require_package(provider)
    except ConfigurationError as fault:
        return fault
    return None


def missing_variables(provider: str, environ: Mapping[str, str]) -> ConfigurationError:
    """Return the error for the variables of a provider that are not set."""
    names = "API key" if provider in KEYS else " or ".join(unset_variables(provider, environ))
    message = f"missing {names} of the provider {provider!r}"
    return ConfigurationError(message, hint=key_remedy(provider, environ))


def unset_variables(provider: str, environ: Mapping[str, str]) -> Sequence[str]:
    """Return the alternative variables to set; if some are set, only what they lack."""
    alternatives = [names.split(" and ") for names in KEYS.get(provider) or variables_of(provider)]
    unset = [
        [name for name in names if not environ.get(name, "").strip()] for names in alternatives
    ]
    begun = [
        rest for names, rest in zip(alternatives, unset, strict=True) if len(rest) < len(names)
    ]
    return [" and ".join(names) for names in begun or unset]


WITHOUT_KEY = "without a key, a script can answer for the model: attractor help twin llm"
"""The way on for a person without any key."""


def key_remedy(provider: str, environ: Mapping[str, str] = _NOTHING_SET) -> str:
    """Return the hint for a missing API key; what is set already is left out."""
    names = unset_variables(provider, environ)
    return f"set {' or '.join(names)}" if names else f"set the variables of {provider}"
