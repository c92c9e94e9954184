import pytest

from attractor.config.errors import InvalidSetting
from attractor.config.model_words import require_model_name, require_pattern
from attractor.config.settings import Settings
from tests.config.project import Project


def test_a_model_is_written_with_its_provider() -> None:
    assert require_model_name("openai/gpt-5.2") == "openai/gpt-5.2"
    assert require_model_name("openrouter/meta/llama") == "openrouter/meta/llama"
    for text in ("gpt-5.2", "openai/", "/gpt-5.2"):
        with pytest.raises(ValueError, match="provider/model"):
            require_model_name(text)


def test_a_pattern_is_one_that_finds_something_and_not_everything() -> None:
    assert require_pattern("acme-[0-9]+") == "acme-[0-9]+"
    with pytest.raises(ValueError, match="no regular expression"):
        require_pattern("acme-[")
    with pytest.raises(ValueError, match="in every text"):
        require_pattern("x*")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[llm]\ncache_mode = "read_only"', "llm: llm.cache_mode read_only needs a folder in"),
        ('[llm]\nredact_patterns = ["a"]', "llm: llm.redact_patterns count with llm.redact = true"),
        ('[llm]\nredact = true\nredact_patterns = ["["]', "no regular expression"),
        ('[llm.fall_back]\n"gpt-5.2" = ["claude-opus-4-6"]', "write a model as provider/model"),
        ("[llm.requests_per_minute]\nopenai = 0", "greater than or equal to 1"),
    ],
)
def test_a_setting_that_would_do_nothing_is_told(project: Project, text: str, told: str) -> None:
    project.write(text)
    with pytest.raises(InvalidSetting, match=told) as caught:
        project.load(Settings)
    assert "attractor.toml" in str(caught.value)
