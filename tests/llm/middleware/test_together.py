"""All shipped middleware around one client, in the documented order."""

import json
from pathlib import Path

from attractor.llm import Client, Response, StreamMiddleware
from attractor.llm.middleware import (
    Costs,
    DiskCache,
    Fallback,
    Limit,
    Logging,
    RateLimit,
    RateLimits,
    Redaction,
)
from attractor.twins.server.provider_twin import ProviderTwin
from tests.llm.asking import MODELS, a_request, speaking
from tests.llm.middleware.asked import codes, run, whole
from tests.llm.middleware.test_logging import Records
from tests.tables import table

PASSWORD = "correct horse"
SCRIPT = """
[[rules]]
when = { wire = "openai" }
answer.fault = { kind = "status", status = 503, message = "down" }
[[rules]]
answer.text = "I use it here."
"""


class Stack:
    """One of each middleware, with their counters."""

    def __init__(self, folder: Path) -> None:
        self.records, self.costs, self.folder = Records(), Costs(), folder
        self.cache = DiskCache(folder)
        self.limits = RateLimits({name: Limit(concurrent_requests=1) for name in MODELS})

    @property
    def around(self) -> list[StreamMiddleware]:
        return [
            Logging(self.records.logger),
            Redaction([PASSWORD]),
            self.cache,
            Fallback([("anthropic", MODELS["anthropic"])]),
            self.costs,
            RateLimit(self.limits),
        ]

    def ask(self, twin: ProviderTwin, *, streamed: bool) -> Response:
        request = a_request("openai", f"log in with {PASSWORD}")

        async def asking() -> Response:
            async with Client.from_env(twin.environ(), middleware=self.around) as client:
                if not streamed:
                    return await client.complete(request)
                return whole([one async for one in client.stream(request)])

        return run(asking())


@table("streamed", [False, True], ids=["whole", "stream"])
def test_all_middleware_works_combined(tmp_path: Path, streamed: bool) -> None:
    stack = Stack(tmp_path / "kept")
    with speaking(SCRIPT) as twin:
        first = stack.ask(twin, streamed=streamed)
        again = stack.ask(twin, streamed=not streamed)
        sent = json.dumps([one.body for one in twin.requests])
        asked = [one.wire for one in twin.requests]
    # The requested model, and then the other; the second time none.
    assert asked == ["openai", "anthropic"]
    assert (stack.cache.hits, stack.cache.misses) == (1, 1)
    # No secret left the process or is on the disk.
    [file] = stack.folder.iterdir()
    assert PASSWORD not in sent
    assert PASSWORD not in file.read_text("utf-8")
    assert first.text == again.text == "I use it here."
    # All events arrived, and a cached answer has the same ones.
    assert codes(first) == ["fell_back", "secrets_replaced"]
    assert codes(again) == ["fell_back", "cache_hit", "secrets_replaced"]
    # Only real requests were paid for.
    assert list(stack.costs.by_model) == [("anthropic", MODELS["anthropic"])]
    assert stack.costs.total.calls == 1
    assert [one["event"] for one in stack.records.entries] == ["request", "answer"] * 2
    assert stack.records.entries[1]["answered_by"] == f"anthropic/{MODELS['anthropic']}"
    # Every place was released.
    for name in ("openai", "anthropic"):
        run(_pass(stack.limits, name))


async def _pass(limits: RateLimits, provider: str) -> None:
    async with limits.gate(provider).admit(1):
        pass
