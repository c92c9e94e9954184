import subprocess
import sys

import pytest

from attractor.llm import middleware


def test_the_door_loads_nothing_before_it_is_asked_and_no_transport_then() -> None:
    code = (
        "import sys, attractor.llm.middleware as door;"
        "light = not [one for one in sys.modules if one.startswith('attractor.llm.middleware.')];"
        "[getattr(door, name) for name in door.__all__];"
        "sys.exit(not light or 'httpx' in sys.modules or 'litellm' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        middleware.Nothing  # pyright: ignore  # noqa: B018
