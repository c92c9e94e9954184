from pathlib import Path

import pytest
from pydantic import ValidationError

from attractor.config.keys import path_of_variable, variable_name
from attractor.config.places import default_state_dir
from attractor.config.reference import SettingReference, list_settings
from attractor.config.settings import OutputSettings, Settings
from attractor.config.shapes import FREE_KEY, Slot, default_values, leaves, slots

SLOTS = list(slots(Settings))
KEYS = [".".join(str(part) for part in slot.path) for slot in SLOTS]


def test_the_defaults_are_what_the_documents_say():
    settings = Settings()
    assert settings.state_dir == default_state_dir()
    assert settings.runs_dir == Path("runs")
    assert settings.output.color == "auto"
    assert settings.doctor.min_free_mb == 1024
    assert settings.rules == {}


def test_every_setting_has_a_default():
    defaults = {leaf.path for leaf in leaves(Settings, default_values(Settings))}
    # A table of free keys has an empty one.
    assert {tuple(part for part in slot.path if part != FREE_KEY) for slot in SLOTS} <= defaults


@pytest.mark.parametrize("slot", SLOTS, ids=KEYS)
def test_every_setting_is_reached_by_its_variable(slot: Slot):
    named = tuple("name" if part == FREE_KEY else part for part in slot.path)
    assert path_of_variable(variable_name(slot.path)) == named


@pytest.mark.parametrize("reference", list_settings(Settings), ids=KEYS)
def test_every_setting_is_described_in_a_sentence(reference: SettingReference):
    assert reference.description.endswith(".")
    assert reference.kind
    assert reference.default


def test_settings_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        OutputSettings().color = "never"  # pyright: ignore[reportAttributeAccessIssue]


def test_settings_take_no_key_they_do_not_know():
    with pytest.raises(ValidationError, match="colour"):
        OutputSettings.model_validate({"colour": "never"})
