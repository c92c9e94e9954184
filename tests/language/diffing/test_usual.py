"""Every default that can be written is one that stands in the table of attributes."""

from attractor.language.attributes import ATTRIBUTES, AttributeType
from attractor.language.diffing.meaning import meaning
from attractor.language.diffing.usual import written_default
from attractor.language.values import parse_integer

# What holds without these depends on the run, or is nothing at all.
WITHOUT = {
    *("label", "type", "max_retries", "max_visits", "fidelity", "thread_id", "isolation"),
    *("max_cost_usd", "max_tokens", "max_duration", "timeout", "stack.child_workdir"),
    *("require_verdict", "llm_model", "llm_provider", "backend"),
    *("stall_timeout", "max_same_failures", "manager.steer_cooldown"),
}


def test_a_default_in_words_is_no_value() -> None:
    assert {key for key in ATTRIBUTES if written_default(key) is None} == WITHOUT


def test_every_other_default_is_a_value_of_its_attribute() -> None:
    for key, known in ATTRIBUTES.items():
        default = written_default(key)
        match known.type:
            case AttributeType.INTEGER if default:
                assert parse_integer(default) is not None, key
            case AttributeType.DURATION if default:
                assert meaning(default, known) != default, key
            case AttributeType.BOOLEAN if default is not None:
                assert default in ("true", "false"), key
            case _:
                assert default is None or not known.choices or default in ("", *known.choices), key
