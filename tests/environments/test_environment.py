"""Variables of commands, and the output of background services."""

import asyncio
from typing import get_args

import pytest

from attractor.config.sections import SecretStr, Section
from attractor.config.settings import Settings
from attractor.config.user_folders import variable_name
from attractor.environments.environment import Inherit, OutputBacklog, inherited, sandboxed
from tests.patience import PATIENCE_S
from tests.tables import table

pytestmark = pytest.mark.anyio

OPERATOR = {
    "PATH": "/home/me/bin:/usr/bin:/home/me/tools/bin:/usr/../home/me/x",
    "HOME": "/home/me",
    "USER": "me",
    "LANG": "de_DE.UTF-8",
    "LC_ALL": "C",
    "TERM": "xterm",
    "GOPATH": "/home/me/go",
    "CARGO_HOME": "/home/me/tools/cargo",
    "EDITOR": "vi",
    "SSH_AUTH_SOCK": "/run/me/agent",
}


@table(
    "name",
    ["OPENAI_API_KEY", "aws_secret", "GitHub_Token", "DB_PASSWORD", "X_CREDENTIAL"]
    + ["AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS", "A_PRIVATE_KEY"],
)
def test_keys_are_left_out_whatever_their_case(name: str) -> None:
    assert inherited({name: "x", "A": "b"}) == {"A": "b"}


def test_secret_settings_of_attractor_are_not_inherited() -> None:
    def is_secret(annotation: object) -> bool:
        return annotation is SecretStr or SecretStr in get_args(annotation)

    of_sections = {
        variable_name((section, key)): is_secret(one.shape)
        for section, table in Settings.settings.items()
        if isinstance(table.shape, type) and issubclass(table.shape, Section)
        for key, one in table.shape.settings.items()
    }
    got = inherited(dict.fromkeys([*of_sections, "ATTRACTOR_STATE_DIR"], "https://host/key"))
    assert "ATTRACTOR_NOTIFY__URL" in of_sections
    assert not any(is_kept and of_sections.get(name) for name, is_kept in got.items())
    # The command may contain the key of a service.
    assert "ATTRACTOR_NOTIFY__COMMAND" not in got
    assert {"ATTRACTOR_STATE_DIR", "ATTRACTOR_OUTPUT__COLOR"} <= set(got)


def test_similar_variable_names_are_kept() -> None:
    alike = {"TOKENIZERS_PARALLELISM": "1", "SECRETARY": "2", "MY_TOKEN_COUNT": "3", "TOKEN": "4"}
    assert inherited(alike) == alike


def test_inheritance_of_variables_is_configurable() -> None:
    assert inherited(OPERATOR, Inherit.ALL) == OPERATOR
    assert inherited(OPERATOR, Inherit.NONE) == {}
    assert set(OPERATOR) - set(inherited(OPERATOR, Inherit.CORE)) == {"EDITOR", "SSH_AUTH_SOCK"}


def test_sandbox_gets_no_variable_about_the_operator() -> None:
    got = sandboxed(OPERATOR, read=[], passed=[], home="/tmp/home")
    assert "me" not in " ".join(got.values()).replace("/home", "")
    assert got["HOME"] == "/tmp/home"
    assert got["LANG"] == "de_DE.UTF-8"
    assert got["PATH"].startswith("/usr/bin:/usr/local/sbin")
    assert got["PATH"].split(":").count("/usr/bin") == 1
    assert set(got) & {"EDITOR", "SSH_AUTH_SOCK", "GOPATH", "CARGO_HOME"} == set()


def test_sandbox_gets_named_variables() -> None:
    got = sandboxed(OPERATOR, read=["/home/me/tools"], passed=["EDITOR", "NO_SUCH"], home="/h")
    assert got["CARGO_HOME"] == "/home/me/tools/cargo"
    assert "/home/me/tools/bin" in got["PATH"].split(":")
    assert got["EDITOR"] == "vi"
    assert "NO_SUCH" not in got


async def read(backlog: OutputBacklog) -> bytes:
    async with asyncio.timeout(PATIENCE_S):
        return b"".join([piece async for piece in backlog.read()])


async def test_reader_gets_earlier_and_later_output() -> None:
    backlog = OutputBacklog()
    backlog.add(b"before ")
    reading = asyncio.create_task(read(backlog))
    await asyncio.sleep(0)
    backlog.add(b"after")
    backlog.end()
    assert await reading == b"before after"


async def test_unread_output_keeps_its_end() -> None:
    backlog = OutputBacklog(max_bytes=10)
    for number in range(100):
        backlog.add(b"%04d" % number)
    backlog.end()
    assert await read(backlog) == b"[... 392 bytes omitted ...]\n00980099"
