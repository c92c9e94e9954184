"""How grave the rules of the language are in a project, as its settings say."""

from collections.abc import Iterator

from attractor.base.errors import suggest
from attractor.base.toml import dotted
from attractor.config.errors import ConfigError, InvalidSetting, UnknownSetting, raise_mistakes
from attractor.config.schema import Configuration, OriginKind
from attractor.config.settings import Settings
from attractor.language.linting.lint_rule import VITAL, Level, Levels, rule_names


def rule_levels(configuration: Configuration[Settings]) -> Levels:
    """Return the level of each rule that is set; a name that no rule has is an error."""
    rules = configuration.settings.rules
    if not rules:
        return {}
    raise_mistakes(list(_mistakes(configuration)))
    return {rule: Level(level) for rule, level in rules.items()}


def _mistakes(configuration: Configuration[Settings]) -> Iterator[ConfigError]:
    known = rule_names()
    for rule, level in configuration.settings.rules.items():
        origin = configuration.origin(dotted(("rules", rule)))
        if origin.kind is OriginKind.USER:
            hint = "write it into attractor.toml: a project's pipelines are judged alike everywhere"
            yield InvalidSetting(f"rules.{rule} belongs to a project", hint=hint, origin=origin)
        elif rule not in known:
            near = suggest(rule, known)
            hint = f"did you mean {near}?" if near else "see 'attractor rules'"
            yield UnknownSetting(f"there is no rule {rule}", hint=hint, origin=origin)
        elif rule in VITAL and level != Level.ERROR:
            hint = "take it out: no pipeline runs without it"
            yield InvalidSetting(f"the rule {rule} is an error always", hint=hint, origin=origin)
