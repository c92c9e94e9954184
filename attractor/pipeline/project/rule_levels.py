"""Reads the levels of lint rules from the settings of a project."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from attractor.base.errors import suggest
from attractor.language.linting.validate import VITAL, Level, Levels, rule_names

if TYPE_CHECKING:
    from attractor.config.configuration import Configuration
    from attractor.config.errors import ConfigError
    from attractor.config.settings import Settings


def rule_levels(configuration: "Configuration[Settings]") -> Levels:
    """Return the level of each rule that is set; an unknown rule is an error."""
    rules = configuration.settings.rules
    if not rules:
        return {}
    # Imported here, because `validate` needs it only if a rule is configured.
    from attractor.config.errors import raise_mistakes

    raise_mistakes(list(_mistakes(configuration)))
    return {rule: Level(level) for rule, level in rules.items()}


def _mistakes(configuration: "Configuration[Settings]") -> "Iterator[ConfigError]":
    # Imported here, because `validate` needs them only if a rule is configured.
    from attractor.base.toml import dotted
    from attractor.config.configuration import OriginKind
    from attractor.config.errors import InvalidSetting, UnknownSetting

    known = rule_names()
    for rule, level in configuration.settings.rules.items():
        origin = configuration.origin(dotted(("rules", rule)))
        if origin.kind is OriginKind.USER:
            hint = "set it in attractor.toml: rule levels belong to the project"
            yield InvalidSetting(
                f"rules.{rule} can only be set in the project", hint=hint, origin=origin
            )
        elif rule not in known:
            near = suggest(rule, known)
            hint = f"did you mean {near}?" if near else "see 'attractor rules'"
            yield UnknownSetting(f"unknown rule {rule}", hint=hint, origin=origin)
        elif rule in VITAL and level != Level.ERROR:
            hint = "remove the setting: a pipeline with this error cannot run"
            yield InvalidSetting(
                f"the level of the rule {rule} is always error", hint=hint, origin=origin
            )
