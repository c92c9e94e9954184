"""Ruling A3: a model that the catalogue does not know is used under its name, with one warning."""

from pathlib import Path

from attractor import StageStatus
from attractor.twins.exchange.answer import Answer, Tokens
from attractor.twins.script.script import Rule, Script, When
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.agent.twinned import model_requests, use
from tests.spec.runs import between, environ_for, events, run
from tests.tables import table

CALL = Tokens(input=900, output=100)
REPORT = Answer(tool_calls=(use("report_outcome", {"outcome": "success"}),), usage=CALL)
RULES = (Rule(when=When(step=0), answer=REPORT), Rule(answer=Answer(text="Done.", usage=CALL)))
TWO = between('a [prompt="Do a"]', 'b [prompt="Do b"]', "start -> a -> b -> exit")


@table(
    ("model", "words"),
    [
        ("gpt-of-tomorrow", "the catalogue does not contain the model gpt-of-tomorrow of openai"),
        ("gpt-5.2-mini", "the catalogue has no price for the model gpt-5.2-mini of openai"),
    ],
)
def test_A3_model_without_price_is_reported_once(tmp_path: Path, model: str, words: str) -> None:
    with in_background(ProviderTwin(Script(rules=RULES))) as twin:
        environ = {**environ_for(tmp_path), **twin.environ()}
        result = run(tmp_path, TWO, backend="agent", model=model, environ=environ)
        assert all(f"'model': '{model}'" in str(one.body) for one in model_requests(twin))
    assert result.outcome is StageStatus.SUCCESS
    assert (result.usage.tokens, result.usage.cost_usd) == (4_000, 0.0)
    [warning] = events(result, "WARNING")
    assert warning.node == "a"
    assert words in str(warning.data["message"])
