"""unified-llm 8.8 and 6.4: the gRPC codes in Gemini's errors."""

import pytest

from attractor.llm import SDKError
from tests.llm.asking import a_request, ask, speaking
from tests.tables import table

# By the code alone: the HTTP status has no meaning of its own here.
TABLE = {
    "NOT_FOUND": ("NotFoundError", False),
    "INVALID_ARGUMENT": ("InvalidRequestError", False),
    "UNAUTHENTICATED": ("AuthenticationError", False),
    "PERMISSION_DENIED": ("AccessDeniedError", False),
    "RESOURCE_EXHAUSTED": ("RateLimitError", True),
    "UNAVAILABLE": ("ServerError", True),
    "DEADLINE_EXCEEDED": ("RequestTimeoutError", False),
    "INTERNAL": ("ServerError", True),
}


@table("code", TABLE)
def test_8_8_gemini_grpc_codes_raise_their_errors(code: str) -> None:
    fault = f'{{ kind = "status", status = 418, code = "{code}" }}'
    with speaking(f"rules = [{{ answer = {{ fault = {fault} }} }}]") as twin:
        with pytest.raises(SDKError, match="gemini answered 418") as caught:
            ask(twin, a_request("gemini", "hello"))
        assert len(twin.requests) == 1
    assert (type(caught.value).__name__, caught.value.retryable) == TABLE[code]
