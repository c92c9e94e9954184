import subprocess
import sys

from tests.tables import table

LOADED = "import sys, attractor.llm; sys.exit({!r} in sys.modules)"
LIBRARIES = ["litellm", "httpx", "openai", "anthropic", "google", "pydantic"]
ADAPTERS = """
import sys
from attractor.llm import provider_registry
list(provider_registry().values())
sys.exit("litellm" in sys.modules)
"""
CATALOGUE = """
import sys, attractor.llm as llm
unread = "attractor.llm.catalogue" not in sys.modules
known = llm.get_model_info("gpt-5.2") is not None
sys.exit(not (unread and known and "litellm" not in sys.modules))
"""
MIDDLEWARE = """
import sys, attractor.llm.middleware as door
light = not [one for one in sys.modules if one.startswith("attractor.llm.middleware.")]
[getattr(door, name) for name in door.__all__]
sys.exit(not light or "httpx" in sys.modules or "litellm" in sys.modules)
"""


@table("code", [*map(LOADED.format, LIBRARIES), ADAPTERS, CATALOGUE, MIDDLEWARE])
def test_providers_are_imported_on_first_use(code: str) -> None:
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
