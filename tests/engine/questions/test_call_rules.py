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


def ruled(call: AskedCall, permissions: CallPermissions = RULES) -> str:
    found = find_rule(call, permissions, [])
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
        (AskedCall("mail.send", {}, "/w"), "ask"),
    ],
)
def test_rule_decides(call: AskedCall, wanted: str) -> None:
    assert ruled(call) == wanted


def read(tool: str, *paths: str) -> AskedCall:
    return AskedCall(tool, {"paths": [*paths]}, "/w")


@table(
    "rule, call, wanted",
    [
        ("-Read(secrets/*)", read("read_many_files", "a", "secrets/a"), "deny"),
        ("-Read(secrets/*)", read("read_many_files", "*"), "ask"),
        ("-Read(secrets/*)", read("read_many_files", "a"), "allow"),
        ("-Read(secrets/*)", read("read_many_files"), "ask"),
        ("-Read(secrets/*)", read("Grep", "src"), "ask"),
        ("-Bash(cat *)", read("Grep", "src"), "allow"),
        ("-TodoWrite", read("Read", "a"), "allow"),
        ("-LS", read("Read", "a"), "allow"),
        ("-LS", read("LS", "a"), "deny"),
        ("-Read", read("LS", "a"), "deny"),
        ("-Read", AskedCall("TodoWrite", {}, "/w"), "allow"),
        ("WebFetch", AskedCall("web_fetch", {"url": "x"}, "/w"), "allow"),
        ("-web_fetch", AskedCall("WebFetch", {"url": "x"}, "/w"), "deny"),
        ("Write", edit("a"), "allow"),
        ("Write", AskedCall("Edit", {"file_path": "a"}, "/w"), "ask"),
        ("Edit(./docs//*)", edit("docs/a"), "allow"),
        ("Edit(/w/docs/*)", edit("docs/a"), "allow"),
        ("-Edit(.github/)", edit(".github/a"), "deny"),
        ("Edit(*)", edit("a/b"), "allow"),
        ("Edit(*)", edit("/etc/passwd"), "ask"),
        ("Edit(*.md)", edit("../x.md"), "ask"),
        ("Edit(/etc/*)", edit("../etc//x"), "allow"),
        *[
            ("-Bash(rm *)", shell(command), "deny")
            for command in ("rm\tx", "'rm' x", "/bin/rm x", "A=1 B= rm x", "rm", "a; ! rm 'a;b'")
        ],
        ("-Bash(rm *)", shell("if true; then rm x; fi"), "deny"),
        ("-Bash(rm *)", shell("rmdir 'x"), "ask"),
    ],
)
def test_one_rule_decides(rule: str, call: AskedCall, wanted: str) -> None:
    is_refusal = rule.startswith("-")
    allow, deny = ([], [rule[1:]]) if is_refusal else ([rule], [])
    assert ruled(call, CallPermissions(ASK, allow, deny)) == wanted


def test_what_only_reads_is_named() -> None:
    found = find_rule(shell("ls"), CallPermissions(ASK), [])
    assert found
    assert found.rule == ONLY_READS


def test_stricter_permissions_and_all_rules_count() -> None:
    whole = CallPermissions(allow=("Bash",)).within(CallPermissions(ASK, deny=("Edit",)))
    assert whole == CallPermissions(ASK, ("Bash",), ("Edit",))


WRONG = ["", "(x)", "Bash(x", "two words", "Bash()", "Bash(rm:*)", "Edit( )", "Edit(../x)"]


@pytest.mark.parametrize("text", [*WRONG, "Bahs(rm *)", "WebFetch(http://x*)", "TodoWrite(x)"])
def test_text_that_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid rule"):
        parse_rule(text)


@pytest.mark.parametrize("tool", ["run it (now)", "web_fetch", "mcp__fs__copy"])
def test_call_of_another_tool_has_no_rule(tool: str) -> None:
    assert AskedCall(tool, {"path": "a", "to": "b"}, "/w").rule == ""


@given(st.text(min_size=1, max_size=30).filter(str.strip), st.text(max_size=30))
def test_rule_of_a_call_allows_this_call_and_no_other(one: str, other: str) -> None:
    rule = parse_rule(shell(one).rule)
    assert rule.permits(shell(one))
    assert rule.permits(shell(other)) == (one == other)


@given(st.text(max_size=9, alphabet="/.a* "), st.text(max_size=9, alphabet="/.a* "))
def test_rule_of_a_change_allows_this_file_and_no_other(one: str, other: str) -> None:
    if text := edit(one).rule:
        rule = parse_rule(text)
        assert rule.permits(edit(one))
        assert rule.permits(edit(other)) == (edit(one).subjects == edit(other).subjects)


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
