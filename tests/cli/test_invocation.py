""""""

import pytest

from attractor.base.errors import UsageError
from attractor.cli.invocation import said_format


def test_json_is_said_in_two_ways_but_not_against_another_format() -> None:
    assert said_format(None, as_json=False) is None
    assert said_format("svg", as_json=False) == "svg"
    assert said_format(None, as_json=True) == said_format("json", as_json=True) == "json"
    with pytest.raises(UsageError, match="--json cannot be combined with --format svg"):
        said_format("svg", as_json=True)
