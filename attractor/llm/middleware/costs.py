"""Adds up what calls use and cost, and refuses the next one when enough was spent."""

import threading
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence

from attractor.base.dataclasses import dataclass
from attractor.llm.catalogue import ModelInfo, get_model_info
from attractor.llm.client import Complete, Stream
from attractor.llm.errors import ConfigurationError, CostLimitError
from attractor.llm.middleware.fallback import warned, warned_event
from attractor.llm.request import Request
from attractor.llm.response import Response, Usage, Warning, cost_of
from attractor.llm.stream_events import StreamAccumulator, StreamEvent, StreamEventType

FindModel = Callable[[str, str], ModelInfo | None]
"""Returns what is known of a model, by its id and its provider."""


@dataclass(frozen=True)
class Spent:
    """What some calls used and cost, the list price.

    `unpriced` counts those of them that are not in the cost: their price is not known, or how much
    they used is not, because their stream broke off.
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
    """Counts every call that was answered; many clients and threads may share one.

    With a limit in US dollars the call after it was reached is refused. Calls at the same time are
    not known to each other until they are answered, so that the limit may be passed by those.
    """

    def __init__(self, *, limit_usd: float | None = None, find: FindModel = get_model_info) -> None:
        if limit_usd is not None and not limit_usd > 0:
            raise ConfigurationError(
                f"a cost limit of {limit_usd} US dollars", hint="give more than nothing, or none"
            )
        self.limit_usd = limit_usd
        self._find = find
        self._lock = threading.Lock()
        self._by_model: dict[tuple[str, str], Spent] = {}

    @property
    def by_model(self) -> Mapping[tuple[str, str], Spent]:
        """What was spent, by provider and model."""
        with self._lock:
            return dict(self._by_model)

    @property
    def total(self) -> Spent:
        """What was spent in all."""
        return sum(self.by_model.values(), Spent())

    async def __call__(self, request: Request, next: Complete) -> Response:
        """Ask and count, unless enough was spent."""
        self._require_money()
        response = await next(request)
        return warned(response, self._count(request, response))

    async def stream(self, request: Request, next: Stream) -> AsyncGenerator[StreamEvent]:
        """Ask and count, unless enough was spent; a stream that breaks off is counted too."""
        self._require_money()
        heard, is_open = StreamAccumulator(), False
        try:
            async for event in next(request):
                is_open = event.type != StreamEventType.FINISH
                heard.process(event)
                if not is_open:
                    event = warned_event(event, self._count(request, heard.response()))
                yield event
        finally:
            if is_open:
                self._add(request.provider or "", request.model, Spent(calls=1, unpriced=1))

    def _require_money(self) -> None:
        spent = self.total
        if self.limit_usd is None or spent.cost_usd < self.limit_usd:
            return
        calls = "1 call" if spent.calls == 1 else f"{spent.calls} calls"
        raise CostLimitError(
            f"{calls} cost ${spent.cost_usd:.4f}, and the limit is ${self.limit_usd:g}"
        )

    def _count(self, request: Request, response: Response) -> Sequence[Warning]:
        cost = self._cost(request, response)
        spent = Spent(1, response.usage, cost or 0.0, int(cost is None))
        self._add(response.provider, request.model, spent)
        if cost is not None or self.limit_usd is None:
            return ()
        told = (
            f"the price of {response.provider}/{request.model} is not known: "
            f"the limit of ${self.limit_usd:g} does not hold for it"
        )
        return [Warning(told, "price_unknown")]

    def _add(self, provider: str, model: str, spent: Spent) -> None:
        with self._lock:
            known = self._by_model.get((provider, model), Spent())
            self._by_model[provider, model] = known + spent

    def _cost(self, request: Request, response: Response) -> float | None:
        return price_of(request, response, self._find)


def price_of(request: Request, response: Response, find: FindModel) -> float | None:
    """Return what a call cost by the catalogue; None when it does not know."""
    try:
        # A provider may answer with a longer name than it was asked by.
        model = find(request.model, response.provider) or find(response.model, response.provider)
    except ConfigurationError:
        # The table of prices is missing: 'attractor doctor' tells that.
        return None
    return None if model is None else cost_of(response.usage, model)
