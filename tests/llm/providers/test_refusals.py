import pytest

from attractor.llm import ContentKind, ContentPart, DocumentData, InvalidRequestError, Message, Role
from attractor.llm.providers.refusals import check_instructions, no_audio, no_such_part

DOCUMENT = ContentPart(ContentKind.DOCUMENT, document=DocumentData(data=b""))


def test_only_instructions_have_to_be_words() -> None:
    check_instructions([Message.system("a"), Message(Role.USER, [DOCUMENT])], "acme")
    with pytest.raises(InvalidRequestError, match="kind document in a message of the role system"):
        check_instructions([Message(Role.SYSTEM, [DOCUMENT])], "acme")


def test_a_refusal_is_not_tried_again_and_says_what_to_do() -> None:
    for error in (no_audio("acme"), no_such_part(DOCUMENT, Role.TOOL, "acme")):
        assert (error.provider, error.retryable, bool(error.hint)) == ("acme", False, True)
        assert "acme takes no" in str(error)
