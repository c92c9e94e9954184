"""Commands are read no further than is certain."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from attractor.language.linting.shell_syntax import calls, find_fault
from tests.counts import count

SIGNS = "'\"`$(){}\\ \n;&|#<>a"
SOUND = [
    "",
    "make",
    "make test && npm run build",
    "pytest -k 'a and b' \"$X\"",
    "echo it\\'s",
    'echo "it\'s"',
    "echo 'say \"hi\"'",
    'x=$(git rev-parse "$(pwd)") && echo $x',
    "echo `date`",
    'echo "`date`"',
    "echo ${x:-y} ${#x} $((1 + (2 * 3)))",
    "(cd a; make)",
    "for f in *; do echo $f; done",
    "case $1 in a) echo a;; (b) echo b;; esac",
    "make 2>&1 | tee log",
    "make &> log",
    "make &",
    "make # isn't it (",
    'make; # "',
    "echo a#b",
    "cat <<< 'x'",
    "f() { echo a; }; f",
    "[ a = b ] || exit 1",
    "make &&\n test",
    "echo $'it\\'s'",
    "echo $((1 << 2)) && ((x << 3))",
    "if true; then echo a; elif b; then c; else d; fi",
    "if (true) then echo a; fi",
    "if { a; } then b; fi",
    "if a; then if b; then c; fi fi",
    "if true; \\\nthen echo a; \\\nfi",
    "if a # isn't it\nthen b\nfi",
    "for i in 1 2; do echo $i; done",
    "for x do echo; done",
    "for do in a; do echo; done",
    "for ((i=0;i<3;i++)); do echo $i; done",
    "for i in 1 2; { echo $i; }",
    "while read x; do echo $x; done < <(cat a)",
    "while true; do (a) done",
    "until a; do b; done | while read x; do c; done",
    "f() { if true; then echo a; fi; }; f",
    "x=$(if a; then b; fi); echo $(x) done",
    "echo $((1+2)) `if a; then b; fi`",
    "if ((x)) then echo; fi",
    "if [[ a ]] then echo; fi",
    "if ! grep -q x y; then exit 1; fi",
    "x=(a b if c)",
    "echo if then; echo done",
    "trap 'if a; then b' EXIT",
    "case a in if) x;; esac",
]
FAULTY = {
    "pytest -k 'a": ("this ' is never closed", "'"),
    'echo "a': ('this " is never closed', '"'),
    "echo `date": ("this ` is never closed", "`"),
    "echo $(date": ("this $( is never closed", "$("),
    "echo ${x": ("this ${ is never closed", "${"),
    "(cd a; make": ("this ( is never closed", "("),
    "make)": ("this ) closes nothing", ")"),
    'echo "$(date)': ('this " is never closed', '"'),
    "make &&": ("nothing follows &&", "&&"),
    "make | ": ("nothing follows |", "|"),
    "make ||": ("nothing follows ||", "||"),
    "if true; then echo": ("this if is never closed", "if"),
    "if true; echo; fi": ("this fi comes without a then before it", "fi"),
    "for i in 1 2 3; echo; done": ("this done comes without a do before it", "done"),
    "for i in a; do echo": ("this for is never closed", "for"),
    "for i in a; do if x; then y; done": ("this done comes without a do before it", "done"),
    "a; fi": ("this fi comes without a then before it", "fi"),
    "then x": ("this then comes without an if before it", "then"),
    "case a in a) b;;": ("this case is never closed", "case"),
}


@pytest.mark.parametrize("command", SOUND)
def test_a_sound_command_has_no_fault(command: str) -> None:
    assert find_fault(command) is None


@pytest.mark.parametrize("command", FAULTY)
def test_a_faulty_command_is_pointed_at(command: str) -> None:
    fault = find_fault(command)
    assert fault is not None
    assert (fault.message, command[fault.start : fault.end]) == FAULTY[command]
    assert fault.fix


@pytest.mark.parametrize("command", [*SOUND, *FAULTY])
def test_the_shell_agrees(command: str) -> None:
    result = subprocess.run(
        ["bash", "-n", "-c", command], capture_output=True, timeout=20, check=False
    )
    assert (result.returncode == 0) is (find_fault(command) is None)


@pytest.mark.parametrize(
    "command",
    [
        "cat <<EOF\nit's (\nEOF",
        "(cat <<EOF\nit's\nEOF\n)",
        "case x in x) echo ;; esac )",
        'echo "${x:-it\'s}"',
    ],
)
def test_where_it_cannot_be_told_nothing_is_said(command: str) -> None:
    assert find_fault(command) is None


@pytest.mark.parametrize(
    ("command", "names"),
    [
        ("make test", ["make"]),
        ("cd a && npm test; git status | wc -l", ["npm", "git", "wc"]),
        ("X=1 Y=2 make", ["make"]),
        ('./run.sh; /bin/ls; $TOOL; "$TOOL" x', []),
        ("echo $(date) `whoami`", ["date", "whoami"]),
        ("(make)", ["make"]),
        ("if true; then make; fi", []),
        ("deploy() { make; }; deploy", []),
        ("make 2>&1 >log", ["make"]),
        ("'make' it", []),
        ("make && echo 'a; npm'", ["make"]),
        ("cat <<EOF\nrm\nEOF", []),
        ("case x in a) npm;; esac", []),
        ("make 'a", []),
        ("python3 -m unittest -q", ["python3"]),
        ("clang++ a.cc", ["clang++"]),
        ("echo $((1+2)) $((a|b))", []),
        ("(( x = 1 )); ((a); b)", []),
        ("[[ a && b ]]", []),
        ("x=(a b); y", ["y"]),
        ("ls !(a|b)", ["ls"]),
        ("diff <(foo a) <(bar b)", ["diff", "foo", "bar"]),
        ("function g { x; }; g", []),
        ("g ( ) { x; }; g", []),
        ("X=make; $X", []),
        ("export PATH=$PWD:$PATH; foo", []),
        (". venv/bin/activate && foo", []),
        ("command -v foo && foo", []),
        ("pip install ruff && ruff check", ["pip"]),
        ("nmp a; nmp b", ["nmp", "nmp"]),
    ],
)
def test_programs_are_what_is_called_by_name(command: str, names: list[str]) -> None:
    found = list(calls(command))
    assert [one.name for one in found] == names
    assert all(command.startswith(one.name, one.start) for one in found)


@settings(max_examples=count(ci=100, full=10_000), deadline=None)
@given(st.lists(st.sampled_from([*SIGNS, "$(", "${", "case ", "if ", "fi"]), max_size=20))
def test_any_text_is_read_to_its_end(pieces: list[str]) -> None:
    command = "".join(pieces)
    fault = find_fault(command)
    assert fault is None or 0 <= fault.start < fault.end <= len(command)
    list(calls(command))


def test_a_long_command_is_read_in_no_time() -> None:
    assert find_fault("echo " + "a && " * 20_000 + "b") is None
    assert find_fault("$(" * 20_000) is not None
    assert find_fault(") case" * 20_000) is None
