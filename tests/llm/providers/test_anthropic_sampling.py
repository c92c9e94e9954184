import pytest

from attractor.llm import Request
from attractor.llm.providers.anthropic_sampling import write_sampling


@pytest.mark.parametrize(
    ("model", "thinks", "temperature", "top_p", "sent"),
    [
        ("claude-3-7-sonnet", False, 0.5, 0.5, {"temperature", "top_p"}),
        ("claude-opus-4-6", False, 0.5, None, {"temperature"}),
        ("claude-opus-4-6", False, 0.5, 0.5, {"temperature"}),
        ("claude-opus-4-6", True, 0.5, None, set[str]()),
        ("claude-opus-4-6", True, 1.0, None, {"temperature"}),
        ("claude-opus-4-6", True, 0.5, 0.96, {"top_p"}),
        ("claude-opus-4-6", True, None, 0.9, set[str]()),
        ("claude-opus-4-7", False, 0.0, 0.5, set[str]()),
        ("claude-opus-5-5", False, 1.0, 1.0, {"temperature", "top_p"}),
    ],
)
def test_what_a_model_refuses_is_left_out_and_named(
    model: str, thinks: bool, temperature: float | None, top_p: float | None, sent: set[str]
) -> None:
    request = Request(model, [], temperature=temperature, top_p=top_p)
    found = write_sampling(request, thinks=thinks)
    asked = {"temperature": temperature, "top_p": top_p}
    given = {name for name, value in asked.items() if value is not None}
    assert set(found.fields) == sent
    assert {one.split()[0] for one in found.ignored} == given - sent
    assert all(found.fields[name] == asked[name] for name in sent)
