"""A project makes rules graver or less so."""

import pytest

from attractor.base.errors import UsageError
from attractor.language import prepare
from attractor.language.severities import Level

TEXT = "digraph G { start [shape=Mdiamond]; exit [shape=Msquare]; start -> exit [foo=1] }"


@pytest.mark.parametrize("level", [Level.INFO, Level.WARNING, Level.ERROR])
def test_a_rule_is_as_grave_as_the_project_says(level: Level) -> None:
    prepared = prepare(TEXT, levels={"unknown_attribute": level})
    assert [(one.rule, one.severity) for one in prepared.diagnostics] == [
        ("unknown_attribute", level)
    ]
    assert prepared.is_sound is (level is not Level.ERROR)


def test_a_rule_that_is_off_says_nothing() -> None:
    assert prepare(TEXT, levels={"unknown_attribute": Level.OFF}).diagnostics == ()


def test_what_every_pipeline_needs_stays_an_error() -> None:
    assert prepare(TEXT, levels={"start_node": Level.ERROR}).is_sound
    with pytest.raises(UsageError, match="start_node"):
        prepare(TEXT, levels={"start_node": Level.WARNING})
