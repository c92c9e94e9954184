import pytest

from attractor.llm import ContentKind, ContentPart, ImageData, ProviderData, Role, ToolCallData
from attractor.llm.providers.openai_content import write_content

IMAGE = ImageData(data=b"png", detail="high")


@pytest.mark.parametrize(
    ("role", "kind"),
    [
        (Role.USER, "input_text"),
        (Role.DEVELOPER, "input_text"),
        (Role.TOOL, "input_text"),
        (Role.ASSISTANT, "output_text"),
    ],
)
def test_words_are_what_a_model_says_or_is_told(role: Role, kind: str) -> None:
    part = ContentPart(ContentKind.TEXT, text="a")
    assert write_content(part, role, "openai") == {"type": kind, "text": "a"}


def test_calls_and_items_of_the_providers_own_stand_beside_messages() -> None:
    call = ContentPart(ContentKind.TOOL_CALL, tool_call=ToolCallData("1", "shell", {}))
    assert write_content(call, Role.ASSISTANT, "openai") is None
    for provider, is_beside in (("openai", True), ("gemini", False)):
        kept = ProviderData(provider, {"type": "image_generation_call"})
        drawn = ContentPart(ContentKind.IMAGE, image=IMAGE, provider_data=kept)
        assert (write_content(drawn, Role.ASSISTANT, "openai") is None) is is_beside
