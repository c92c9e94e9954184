import pytest

from attractor.base.errors import UsageError
from attractor.cli.invocation import chosen_format


def test_json_option_contradicts_another_format() -> None:
    assert chosen_format(None, as_json=False) is None
    assert chosen_format("svg", as_json=False) == "svg"
    assert chosen_format(None, as_json=True) == chosen_format("json", as_json=True) == "json"
    with pytest.raises(UsageError, match="--json cannot be combined with --format svg"):
        chosen_format("svg", as_json=True)
