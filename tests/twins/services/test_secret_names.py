import pytest

from attractor.twins.services.secret_names import is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        *("password", "new_password", "secretKey", "client-secret", "Authorization", "sig", "SIG"),
        *("X-Amz-Signature", "client_assertion", "session", "sessionId", "accessToken", "API_KEY"),
        *("userOTP", "aws_access_key_id", "csrfTokens"),
    ],
)
def test_a_name_says_it_in_any_case_and_within_others(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["design", "author", "key", "id", "next_token", "pageToken", "NextContinuationToken", "code"],
)
def test_other_names_and_tokens_of_pages_are_plain(name: str) -> None:
    assert not is_secret_name(name)
