"""The pytest fixture `provider_twin`, for anybody's tests of what talks to models.

Load it with `pytest -p attractor.twins.pytest_plugin`, or with
`from attractor.twins.pytest_plugin import provider_twin` in a `conftest.py`.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from attractor.twins.provider_twin import ProviderTwin, in_background
from attractor.twins.script import Script, parse_script

StartTwin = Callable[[Script | str], ProviderTwin]


@pytest.fixture
def provider_twin() -> Iterator[StartTwin]:
    """Start a twin for a script, given as one or as TOML; it ends with the test."""
    with ExitStack() as stack:

        def start(script: Script | str) -> ProviderTwin:
            read = parse_script(script) if isinstance(script, str) else script
            return stack.enter_context(in_background(ProviderTwin(read)))

        yield start
