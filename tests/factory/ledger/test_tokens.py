import stat
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from attractor.base.errors import ExitCode, VerificationError
from attractor.factory.errors import InvalidToken
from attractor.factory.ledger.ledger import Ledger
from attractor.factory.ledger.tokens import TOKENS_FILE, StoredToken, TokenStore
from attractor.factory.operator_process import Scope
from tests.counts import count
from tests.patience import PATIENCE_S
from tests.tables import table

SECRET = "a-secret-of-the-test"
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def create(folder: Path, name: str = "ci", scope: str = "decide", secret: str = SECRET) -> None:
    TokenStore(folder).create(name, scope, secret, by="ann", now=NOW)


@table("scope", Scope)
def test_scope_includes_the_scopes_before_it(tmp_path: Path, scope: Scope) -> None:
    create(tmp_path, scope=scope)
    tokens = TokenStore(tmp_path)
    allowed = [*Scope][: [*Scope].index(scope) + 1]
    for one in Scope:
        for secret in (SECRET, "another", ""):
            if secret == SECRET and one in allowed:
                assert tokens.holder(secret, one, str) == "ci"
            else:
                with pytest.raises(InvalidToken):
                    tokens.holder(secret, one, str)


def test_token_secret_is_not_stored(tmp_path: Path) -> None:
    create(tmp_path)
    file = tmp_path / TOKENS_FILE
    assert SECRET not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_revoked_token_opens_nothing(tmp_path: Path) -> None:
    tokens = TokenStore(tmp_path)
    create(tmp_path)
    tokens.revoke("ci", by="ann", now=NOW)
    assert tokens.list() == ()
    with pytest.raises(InvalidToken):
        tokens.holder(SECRET, Scope.DECIDE, str)
    with pytest.raises(InvalidToken, match="unknown token 'ci'"):
        tokens.revoke("ci", by="ann", now=NOW)
    records = [(one.kind, one.data["name"], one.data["by"]) for one in Ledger(tmp_path).entries()]
    assert records == [("token_created", "ci", "ann"), ("token_revoked", "ci", "ann")]


def test_duplicate_name_and_unknown_scope_are_refused(tmp_path: Path) -> None:
    create(tmp_path)
    with pytest.raises(InvalidToken, match="token 'ci' already exists"):
        create(tmp_path, secret="other")
    with pytest.raises(InvalidToken, match="unknown scope 'all'"):
        create(tmp_path, "other", "all")


def planted(folder: Path) -> None:
    """Add an entry for a forged token to the file."""
    file = folder / TOKENS_FILE
    [token] = TokenStore(folder).list()
    digest = StoredToken.model_validate({**token.model_dump(), "name": "ours"})
    file.write_text(f"[{token.model_dump_json()}, {digest.model_dump_json()}]")


def widened(folder: Path) -> None:
    file = folder / TOKENS_FILE
    file.write_text(file.read_text().replace('"read"', '"decide"'))


def from_another_ledger(folder: Path) -> None:
    create(folder / "other")
    (folder / TOKENS_FILE).write_bytes((folder / "other" / TOKENS_FILE).read_bytes())


def restored(folder: Path) -> None:
    old = (folder / TOKENS_FILE).read_bytes()
    TokenStore(folder).revoke("ci", by="ann", now=NOW)
    (folder / TOKENS_FILE).write_bytes(old)


def emptied(folder: Path) -> None:
    (folder / TOKENS_FILE).write_text("[{}]")


@table(
    ("forge", "message"),
    [
        (planted, "token 'ours' in .* has an invalid seal"),
        (widened, "token 'ci' in .* has an invalid seal"),
        (from_another_ledger, "token 'ci' in .* has an invalid seal"),
        (restored, "token 'ci' in .* was revoked"),
        (emptied, "tokens.json is corrupt"),
    ],
)
def test_changed_token_file_is_detected(
    tmp_path: Path, forge: Callable[[Path], object], message: str
) -> None:
    create(tmp_path, scope="read")
    forge(tmp_path)
    with pytest.raises(VerificationError, match=message) as caught:
        TokenStore(tmp_path).holder(SECRET, Scope.READ, str)
    assert caught.value.exit_code is ExitCode.BROKEN


def test_planted_token_can_be_removed(tmp_path: Path) -> None:
    create(tmp_path)
    planted(tmp_path)
    tokens = TokenStore(tmp_path)
    tokens.revoke("ours", by="ann", now=NOW)
    assert [one.name for one in tokens.list()] == ["ci"]


def test_many_at_once_lose_no_token(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from datetime import UTC, datetime;"
        "from attractor.factory.ledger.tokens import TokenStore;"
        "TokenStore(Path(sys.argv[1])).create(sys.argv[2], 'decide', sys.argv[2] * 9, by='ann',"
        " now=datetime(2026, 1, 2, tzinfo=UTC))"
    )
    processes = count(ci=3, full=5)
    makers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path, f"token-{number}"])
        for number in range(processes)
    ]
    assert [maker.wait(timeout=PATIENCE_S) for maker in makers] == [0] * processes
    assert len(TokenStore(tmp_path).list()) == processes
