import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["litellm", "httpx", "openai", "anthropic", "pydantic"])
def test_importing_the_room_loads_no_provider_and_no_transport(name: str) -> None:
    code = f"import sys, attractor.llm; sys.exit({name!r} in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert result.returncode == 0


def test_the_adapters_do_not_load_litellm() -> None:
    code = (
        "import sys; from attractor.llm import provider_registry;"
        "list(provider_registry().values()); sys.exit('litellm' in sys.modules)"
    )
    result = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert result.returncode == 0
