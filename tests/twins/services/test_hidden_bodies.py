import pytest

from attractor.twins.services.hidden_bodies import hidden_body

PARTS = (
    '--B\r\nContent-Disposition: form-data; name="user"\r\n\r\nada\r\n'
    '--B\r\nContent-Disposition: form-data; name="new_password"\r\n\r\n{0}\r\n'
    '--B\r\nContent-Disposition: form-data; name="f"; filename="a.json"\r\n\r\n'
    '{{"token": "{1}"}}\r\n--B--\r\n'
)


def kept(text: str) -> str:
    return text.replace("my-key", "[hidden]")


@pytest.mark.parametrize("boundary", ["B", '"B"'])
def test_fields_in_parts_are_hidden_by_their_names(boundary: str) -> None:
    content = PARTS.format("two\r\nlines", "t").encode()
    made = hidden_body(content, f"multipart/form-data; boundary={boundary}", kept)
    assert made.decode() == PARTS.format("[hidden]", "[hidden]")


def test_parts_that_are_no_text_do_not_keep_others_from_being_hidden() -> None:
    content = PARTS.format("pw", "t").encode() + b"\xff\xfe\x00"
    made = hidden_body(content, "multipart/form-data; boundary=B", kept)
    assert made == PARTS.format("[hidden]", "[hidden]").encode() + b"\xff\xfe\x00"


@pytest.mark.parametrize("letters", ["utf-8-sig", "utf-16"])
def test_a_mark_before_json_hides_nothing_from_view(letters: str) -> None:
    content = '{"password": "pw", "a": "my-key"}'.encode(letters)
    made = hidden_body(content, "application/json", kept)
    assert made == '{"password": "[hidden]", "a": "[hidden]"}'.encode(letters)


def test_what_is_no_text_stays_as_it_is() -> None:
    picture = bytes(range(256)) * 2
    assert hidden_body(picture, "image/png", kept) == picture
