"""The pytest fixture `provider_twin`, for tests of clients of a model provider.

Load it with `pytest -p attractor.twins.pytest_plugin`, with `pytest_plugins =
["attractor.twins.pytest_plugin"]` in the topmost `conftest.py`, or with `from
attractor.twins.pytest_plugin import provider_twin` in any `conftest.py`. The plugin is not loaded
automatically, because loading it would slow down every start of pytest.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest

from attractor.base.clock import Clock
from attractor.twins.recordings.recording import Recordings, load_recordings
from attractor.twins.script.script import Script, load_script, parse_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin

__all__ = ["StartTwin", "provider_twin"]


class StartTwin(Protocol):
    """Starts a provider twin in a test."""

    def __call__(
        self,
        script: Script | str | Path | Sequence[Script] = (),
        *,
        replay: Path | None = None,
        clock: Clock | None = None,
    ) -> ProviderTwin:
        """Start a twin with a script (as TOML text or as a file) or with recordings."""
        ...


@pytest.fixture
def provider_twin() -> Iterator[StartTwin]:
    """Start a twin that stops after the test; with a `VirtualClock` waits take no time."""
    with ExitStack() as stack:

        def start(
            script: Script | str | Path | Sequence[Script] = (),
            *,
            replay: Path | None = None,
            clock: Clock | None = None,
        ) -> ProviderTwin:
            recordings = Recordings(load_recordings(replay)) if replay else None
            if isinstance(script, Path):
                script = load_script(script)
            elif isinstance(script, str):
                script = parse_script(script)
            twin = ProviderTwin(script, recordings=recordings, clock=clock)
            return stack.enter_context(in_background(twin))

        yield start
