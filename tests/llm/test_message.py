from attractor.llm import ContentKind, ContentPart, Message, Role, ThinkingData


def test_the_short_ways_make_whole_messages() -> None:
    made = [Message.system("a"), Message.developer("b"), Message.user("c"), Message.assistant("d")]
    assert [(one.role, one.text) for one in made] == [
        (Role.SYSTEM, "a"),
        (Role.DEVELOPER, "b"),
        (Role.USER, "c"),
        (Role.ASSISTANT, "d"),
    ]


def test_a_tool_result_is_linked_to_its_call() -> None:
    message = Message.tool_result("call_1", {"temperature": 72}, is_error=True)
    (part,) = message.content
    assert (message.role, message.tool_call_id) == (Role.TOOL, "call_1")
    assert part.tool_result is not None
    assert (part.tool_result.content, part.tool_result.is_error) == ({"temperature": 72}, True)


def test_the_text_is_that_of_the_text_parts_alone() -> None:
    thought = ContentPart(ContentKind.THINKING, thinking=ThinkingData("hm"))
    parts = [ContentPart(ContentKind.TEXT, text="a"), thought]
    message = Message(Role.ASSISTANT, [*parts, ContentPart(ContentKind.TEXT, text="b")])
    assert message.text == "ab"
    assert Message(Role.ASSISTANT, [thought]).text == ""
