import subprocess
import sys

import pytest


@pytest.mark.parametrize("name", ["litellm", "httpx", "openai", "anthropic", "google", "pydantic"])
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


def test_the_catalogue_is_read_when_it_is_asked_and_without_litellm() -> None:
    code = (
        "import sys, attractor.llm as llm; unread = 'attractor.llm.catalogue' not in sys.modules;"
        "known = llm.get_model_info('gpt-5.2') is not None;"
        "sys.exit(not (unread and known and 'litellm' not in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], timeout=60, check=False)
    assert result.returncode == 0
