"""Sums the usage and cost of calls, and rejects calls above a cost limit."""

import threading
from collections.abc import AsyncGenerator, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.llm.catalogue import FindModel, get_model_info
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, CostLimitError
from attractor.llm.request import Request
from attractor.llm.response import Response, Usage, Warning, price_call
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType


@dataclass(frozen=True)
class Spent:
    """Usage and cost of some calls at list price.

    `unpriced` is the number of calls that are not included in the cost: their price is unknown, or
    their usage is unknown after an interrupted stream.
    """

    calls: int = 0
    usage: Usage = Usage()
    cost_usd: float = 0.0
    unpriced: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            self.calls + other.calls,
            self.usage + other.usage,
            self.cost_usd + other.cost_usd,
            self.unpriced + other.unpriced,
        )


class Costs:
    """Counts all answered calls; several clients and threads may share one object.

    After a limit in US dollars is reached, calls are rejected. Concurrent calls can exceed the
    limit together, because a call is counted when it is answered.
    """

    def __init__(self, *, limit_usd: float | None = None, find: FindModel = get_model_info) -> None:
        if limit_usd is not None and not limit_usd > 0:
            raise ConfigurationError(
                f"invalid cost limit {limit_usd}", hint="use a number above 0, or None"
            )
        self.limit_usd = limit_usd
        self._find = find
        self._lock = threading.Lock()
        self._by_model: dict[tuple[str, str], Spent] = {}

    @property
    def by_model(self) -> Mapping[tuple[str, str], Spent]:
        """Usage and cost by provider and model."""
        with self._lock:
            return dict(self._by_model)

    @property
    def total(self) -> Spent:
        """Usage and cost of all calls."""
        return sum(self.by_model.values(), Spent())

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Call the model and count the call, unless the limit is reached."""
        self._require_budget()
        response = await next(request)
        return response.with_warnings(self._count(request, response))

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Stream the answer and count the call; an interrupted stream is counted too."""
        self._require_budget()
        answer, is_open = StreamAccumulator(), False
        try:
            async for event in next(request):
                is_open = event.type != StreamEventType.FINISH
                answer.process(event)
                if not is_open:
                    event = event.with_warnings(self._count(request, answer.response()))
                yield event
        finally:
            if is_open:
                self._add(request.provider or "", request.model, Spent(calls=1, unpriced=1))

    def _require_budget(self) -> None:
        spent = self.total
        if self.limit_usd is None or spent.cost_usd < self.limit_usd:
            return
        calls = "1 call" if spent.calls == 1 else f"{spent.calls} calls"
        raise CostLimitError(
            f"{calls} cost ${spent.cost_usd:.4f}; the limit is ${self.limit_usd:g}"
        )

    def _count(self, request: Request, response: Response) -> Sequence[Warning]:
        cost = price_of(request, response, self._find)
        spent = Spent(1, response.usage, cost or 0.0, int(cost is None))
        self._add(response.provider, request.model, spent)
        if cost is not None or self.limit_usd is None:
            return ()
        message = (
            f"unknown price of {response.provider}/{request.model}: "
            f"its calls do not count towards the limit of ${self.limit_usd:g}"
        )
        return [Warning(message, "price_unknown")]

    def _add(self, provider: str, model: str, spent: Spent) -> None:
        with self._lock:
            before = self._by_model.get((provider, model), Spent())
            self._by_model[provider, model] = before + spent


def price_of(request: Request, response: Response, find: FindModel) -> float | None:
    """Return the cost of a call by the catalogue; None if the price is unknown."""
    models = (response.model, request.model)
    return price_call(response.usage, response.provider, models, find).cost_usd
