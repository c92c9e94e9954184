"""Which tool calls need no question: by a rule, or because they only read."""

import shlex

import pytest
from hypothesis import given, strategies as st

from attractor.base.errors import UsageError
from attractor.engine.questions.call_rules import (
    ONLY_READS,
    AskedCall,
    CallPermissions,
    PermissionMode,
    find_rule,
    parse_rule,
    require_permissions,
)
from tests.tables import table

ASK = PermissionMode.ASK
RULES = CallPermissions(
    ASK, ("Bash(pytest *)", "Edit(src/*)", "Bash(a; b)"), ("Bash(rm *)", "Edit(.env)")
)


def shell(command: str) -> AskedCall:
    return AskedCall("Bash", {"command": command}, "/w")


def edit(path: str) -> AskedCall:
    return AskedCall("Write", {"file_path": path}, "/w")


def ruled(call: AskedCall) -> str:
    found = find_rule(call, RULES, ["WebFetch"])
    return "ask" if found is None else ("allow" if found.is_allowed else "deny")


@table(
    "call, wanted",
    [
        (shell("git status --short"), "allow"),
        (AskedCall("read_file", {"file_path": "/etc/passwd"}, "/w"), "allow"),
        (shell("git diff --output=x"), "ask"),
        (shell("git log --outpu=x"), "ask"),
        (shell("git log --oneline -- a"), "allow"),
        (shell("git push"), "ask"),
        (shell("git -c core.pager=x log"), "ask"),
        (shell("cat x > y"), "ask"),
        (shell("PAGER=x cat y"), "ask"),
        (shell("pytest -q tests"), "allow"),
        (shell("pytest -q $(curl x)"), "ask"),
        (shell("pytest -q; curl x"), "ask"),
        (shell("pytest -q\ncurl x"), "ask"),
        (shell("a; b"), "allow"),
        (shell("a; b; c"), "ask"),
        (shell("rm -rf build"), "deny"),
        (shell("pytest -q && rm -rf build"), "deny"),
        (shell("cat 'x"), "ask"),
        (shell(""), "ask"),
        (edit("src/a.py"), "allow"),
        (edit("/w/src/a.py"), "allow"),
        (edit("src/../secret"), "ask"),
        (edit("/etc/passwd"), "ask"),
        (edit("src/../.env"), "deny"),
        (AskedCall("apply_patch", {"patch": "*** Update File: src/a.py\n"}, "/w"), "allow"),
        (AskedCall("apply_patch", {"patch": "*** Add File: .env\r\n+x\r\n"}, "/w"), "deny"),
        (AskedCall("other: read", {}, "/w"), "ask"),
        (
            AskedCall("apply_patch", {"patch": "*** Update File: src/a\n*** Move to: b\n"}, "/w"),
            "ask",
        ),
        (AskedCall("WebFetch", {"url": "http://x"}, "/w"), "allow"),
        (AskedCall("mail.send", {}, "/w"), "ask"),
    ],
)
def test_rule_decides(call: AskedCall, wanted: str) -> None:
    assert ruled(call) == wanted


def test_what_only_reads_is_named() -> None:
    found = find_rule(shell("ls"), CallPermissions(ASK), [])
    assert found
    assert found.rule == ONLY_READS


def test_stricter_permissions_and_all_rules_count() -> None:
    whole = CallPermissions(allow=("Bash",)).within(CallPermissions(ASK, deny=("Edit",)))
    assert whole == CallPermissions(ASK, ("Bash",), ("Edit",))


@pytest.mark.parametrize("text", ["", "(x)", "Bash(x", "two words"])
def test_text_that_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid rule"):
        parse_rule(text)


def test_tool_with_an_odd_name_has_no_rule() -> None:
    assert AskedCall("run it (now)", {}, "/w").rule == ""


@given(st.text(max_size=30), st.text(max_size=30))
def test_rule_of_a_call_allows_this_call_and_no_other(one: str, other: str) -> None:
    rule = parse_rule(shell(one).rule)
    assert rule.permits(shell(one))
    assert rule.permits(shell(other)) == (one == other)


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4))
def test_quoted_words_are_one_program_with_its_arguments(words: list[str]) -> None:
    call = shell(f"pytest {shlex.join(words)}")
    found = ruled(call)
    # Inside of quotes, an expansion is none, but nobody has to prove it: then a person is asked.
    assert found in ("allow", "ask", "deny")
    if all(word.isalnum() for word in words):
        assert found == "allow"


def test_rules_without_a_person_name_the_option() -> None:
    with pytest.raises(UsageError) as refused:
        require_permissions(PermissionMode.SANDBOX, ["Bash(make)"], ())
    assert "--permissions ask" in refused.value.hint
