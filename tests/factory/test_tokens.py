import stat
import subprocess
import sys
from pathlib import Path

import pytest

from attractor.factory.errors import InvalidToken
from attractor.factory.tokens import TokenStore

SECRET = "a-secret-of-the-test"


def test_a_token_opens_its_scope_and_no_other(tmp_path: Path) -> None:
    tokens = TokenStore(tmp_path)
    tokens.create("ci", "decide", SECRET)
    assert tokens.holder(SECRET, "decide") == "ci"
    for secret, scope in [("another", "decide"), (SECRET, "promote"), ("", "decide")]:
        with pytest.raises(InvalidToken):
            tokens.holder(secret, scope)


def test_token_secret_is_not_stored(tmp_path: Path) -> None:
    TokenStore(tmp_path).create("ci", "decide", SECRET)
    file = tmp_path / "tokens.json"
    assert SECRET not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_revoked_token_opens_nothing(tmp_path: Path) -> None:
    tokens = TokenStore(tmp_path)
    tokens.create("ci", "decide", SECRET)
    tokens.revoke("ci")
    assert tokens.list() == ()
    with pytest.raises(InvalidToken):
        tokens.holder(SECRET, "decide")
    with pytest.raises(InvalidToken, match="unknown token 'ci'"):
        tokens.revoke("ci")


def test_duplicate_name_and_unknown_scope_are_refused(tmp_path: Path) -> None:
    tokens = TokenStore(tmp_path)
    tokens.create("ci", "decide", SECRET)
    with pytest.raises(InvalidToken, match="token 'ci' already exists"):
        tokens.create("ci", "decide", "other")
    with pytest.raises(InvalidToken, match="unknown scope 'all'"):
        tokens.create("other", "all", "other")


def test_many_at_once_lose_no_token(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from attractor.factory.tokens import TokenStore;"
        "TokenStore(Path(sys.argv[1])).create(sys.argv[2], 'decide', sys.argv[2] * 9)"
    )
    makers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, f"token-{number}"])
        for number in range(5)
    ]
    assert [maker.wait(timeout=60) for maker in makers] == [0] * 5
    assert len(TokenStore(tmp_path).list()) == 5
