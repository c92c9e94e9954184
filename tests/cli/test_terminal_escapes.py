"""Foreign texts reach the terminal without control characters, and break no table row."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from attractor.base.control_characters import CONTROL
from attractor.records.transcript import TRANSCRIPT
from tests.cli.git_desk import GitDesk
from tests.cli.plain_desk import WORDS
from tests.cli.terminals import sit
from tests.counts import count
from tests.pipeline.projects import git
from tests.prepared import PROGRAM

# OSC, CSI, C1, BEL, bidi, a carriage return, a backspace, and a forged line.
FORGED = "FORGED LINE"
HOSTILE = f"\x1b]0;own\x07ed\x1b[2J\x9b2J\u202eabc\u2066\u200f\u061c\r\x08\n{FORGED}"
QUOTED = HOSTILE.replace("\n", "\\n")
PIPELINE = f"""digraph "graph {QUOTED}" {{
    goal="goal {QUOTED}"; inputs="plain="
    start [shape=Mdiamond]; exit [shape=Msquare, label="exit {QUOTED}"]
    say  [prompt="prompt {QUOTED}", label="say {QUOTED}", backend=simulate]
    tool [shape=parallelogram, label="tool {QUOTED}", on_failure=continue,
          tool_command="cat leak.txt; cat leak.txt >&2; cp leak.txt \\"$(cat leak.txt)\\"; exit 1"]
    ask  [shape=hexagon, label="ask {QUOTED}"]
    last [shape=parallelogram, tool_command="true"]
    start -> say -> tool -> ask
    ask -> last [label="[Y] yes {QUOTED}"]
    ask -> say  [label="[N] no {QUOTED}"]
    last -> exit
}}
"""
FILE = HOSTILE.replace("/", "")[:60] + ".dot"
LOOKS = ("runs", "status", "logs", "diagnose", "gate", "answer latest", "evaluate", "gc")
WRONG = """
rules {} | models {} | models test {} | status {} | run {} | validate {} | fmt {} | simulate {}
estimate {} | test {} | diff {} {} | render {} | convert {} | {} | help {} | run --{}
run pipeline.dot --backend {} | run pipeline.dot --sandbox none --workspace none --model {}
run pipeline.dot --sandbox {}
run pipeline.dot --suite {} | run pipeline.dot --profile {} | run pipeline.dot --input {}
run pipeline.dot --interviewer {} | run pipeline.dot --max-duration {} | fork latest {}
rewind latest {} | resume {} | cancel {} | pause {} | steer {} hello | answer {} Y | evaluate {}
gate {} | logs {} | logs latest --since {} | logs latest --node {} | diagnose {} | promote {}
promote latest --to {} | decide {} --reject --reason {} | suite register {} | token {}
profile create {} | completion {} | twin check {} | twin llm --script {} | twin serve {}
--config {}=1 doctor | --config output.color={} doctor | gc --older-than {}
"""


class Desk(GitDesk):
    """A project with hostile texts, which checks the output of each command."""

    def see(self, *words: str, breaks_lines: bool = False) -> subprocess.CompletedProcess[str]:
        """Run a command, and check its output."""
        done = self.do(*words)
        for text in (done.stdout, done.stderr):
            found = re.search(CONTROL, text)
            shown = text[max(0, found.start() - 80) : found.end()] if found else ""
            assert not found, (words, shown)
            if not breaks_lines:
                assert not re.search(f"^{FORGED}", text, re.MULTILINE), (words, text)
        assert "internal error" not in done.stderr, (words, done.stderr)
        return done

    def look(self) -> None:
        for command in LOOKS:
            self.see(*command.split())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.make(PIPELINE, **{"leak.txt": f"leak {HOSTILE}\n", FILE: PIPELINE})
    return desk


def test_hostile_texts_of_a_run_are_harmless_in_every_command(desk: Desk) -> None:
    for kind in ("isolated", "none")[: count(ci=1, full=2)]:
        words = ("run", "pipeline.dot", *WORDS[:4], "--no-evaluate", "--workspace", kind)
        given = ("--input", f"plain={HOSTILE}", "--goal", f"goal {HOSTILE}")
        ran = desk.see(*words, *given, "--interviewer", "park")
        assert ran.returncode == 3, ran.stderr
        assert "own" in ran.stdout
        desk.look()
        desk.see("answer", "latest", HOSTILE, breaks_lines=True)
        desk.see("answer", "latest", "Y", "--reason", HOSTILE)
        desk.look()
        desk.see("steer", "latest", HOSTILE)
        desk.see("resume", "latest", "--no-evaluate")
        desk.look()
        desk.see("decide", "latest", "--reject", "--reason", HOSTILE)
        desk.see(*words, "--interviewer", "park")
        desk.see("cancel", "latest", "--reason", HOSTILE)
        desk.look()


def test_hostile_pipelines_and_names_are_harmless_in_every_command(desk: Desk) -> None:
    for file in ("pipeline.dot", FILE):
        for command in ("validate", "simulate", "estimate", "fmt --check"):
            desk.see(*command.split(), file)
    desk.see("diff", "pipeline.dot", FILE)
    (desk.project / "pipeline.test.toml").write_text(
        f'[[tests]]\nname = {json.dumps(HOSTILE)}\n[tests.expect]\nend = "success"\n'
    )
    desk.see("test", "pipeline.dot", breaks_lines=True)
    commands = [one.split() for one in WRONG.replace("\n", "|").split("|") if one.strip()]
    for command in commands:
        # Arguments of the command line may contain line breaks.
        desk.see(*(word.replace("{}", HOSTILE) for word in command), breaks_lines=True)


def test_hostile_settings_are_harmless(desk: Desk) -> None:
    quoted = json.dumps(HOSTILE)
    for text in (
        f"[workspace]\nsetup = {quoted}\n",
        f'[rules]\n{quoted} = "off"\n',
        f"{quoted} = 1\n",
        f"a = {HOSTILE}\n",
    ):
        (desk.project / "attractor.toml").write_text(text)
        for command in (["doctor"], ["validate", "pipeline.dot"], ["runs"]):
            desk.see(*command, breaks_lines="rules" in text)


KINDS = [
    *(bytes([one]) for one in (*range(1, 9), *range(11, 32), 127)),
    *(chr(one).encode() for one in (0x80, 0x85, 0x8D, 0x90, 0x98, 0x9B, 0x9C, 0x9D, 0x9E, 0x9F)),
    *(one.encode() for one in "\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"),
    *(b"\x9b2J", b"\xff", b"\x1b]52;c;cm0gLXJm\x07", b"\x1b]8;;http://x\x1b\\", b"\x1b[8m"),
]
"""Bytes that a terminal executes, or that hide or reorder text."""
SAID = b"\n".join(b"<%d %s>" % (number, kind) for number, kind in enumerate(KINDS)) + b"\n"
LEAK = """digraph leak {
    start [shape=Mdiamond]; exit [shape=Msquare]
    say  [prompt="say it", backend=simulate]
    tool [shape=parallelogram, on_failure=continue,
          tool_command="cat leak.txt; cat leak.txt >&2; cp leak.txt made.txt; exit 1"]
    ask  [shape=hexagon, label="Go?"]
    start -> say -> tool -> ask -> exit
}
"""
SPAWN = "actor spawn --name spy --with simulate --sandbox none --in in-place"
ON_A_TERMINAL = """
dimension diff open | dimension diff open --stat | dimension list | runs | status latest
status latest --stages | logs latest | logs latest --json | logs latest --stage say
logs latest --stage say --json | logs latest --stage tool | logs latest --stage tool --json
logs latest --diff | logs latest --diff --stage tool | diagnose latest | gate latest | report
attention | evaluate latest | actor list | validate hostile.dot
fmt --diff hostile.dot
diff pipeline.dot hostile.dot | convert hostile.dot | simulate hostile.dot | answer latest x
dimension diff open --json | actor show spy | actor show spy --json | message list spy
message list spy --json | --config output.color=always logs latest --stage tool
exec --with said.txt --command
"""


def test_no_control_byte_of_an_agent_reaches_a_terminal(tmp_path: Path) -> None:
    assert len(KINDS) > 40
    desk = GitDesk(tmp_path)
    desk.make(LEAK, **{"hostile.dot": PIPELINE})
    (desk.project / "leak.txt").write_bytes(SAID)
    (desk.project / "said.txt").write_text(text := SAID.decode(errors="replace"))
    git(desk.project, "add", "--all")
    git(desk.project, "commit", "--quiet", "--message", "Leak")
    desk.do(*SPAWN.split(), text)
    desk.do("actor", "wait", "spy")
    root = desk.run("--interviewer", "park")
    record = {"kind": "ASSISTANT_TEXT_END", "text": text, "session": f"a@b/{text}"}
    (root / "say" / TRANSCRIPT).write_text(f"{json.dumps(record)}\n")
    folder = Path(desk.json("dimension", "add", "open", "--kind", "directory")["folder"])
    (folder / "made.txt").write_bytes(SAID)
    (folder / os.fsdecode(SAID.replace(b"/", b"").replace(b"\n", b"")[:200])).write_bytes(SAID)
    commands = [one.split() for one in ON_A_TERMINAL.replace("\n", "|").split("|") if one.strip()]
    commands[-1].append("cat said.txt; cat said.txt >&2")
    words = [[PROGRAM, *one] for one in commands]
    for command in (*words, ["/bin/sh", "-c", f"{PROGRAM} fmt - <hostile.dot"]):
        with sit(command, cwd=desk.project, environ=desk.environ) as sitting:
            sitting.ends_with()
        shown = sitting.seen.replace(b"\r\n", b"\n").decode(errors="surrogateescape")
        assert not (found := re.search(CONTROL, shown)), (command, shown[found.start() - 40 :][:80])
        assert "Usage:" not in shown, (command, shown)
    raw = desk.do("dimension", "diff", "open").stdout
    git_apply = subprocess.run(
        ["git", "apply", "--check", "-"],
        cwd=desk.project,
        input=raw.encode(errors="surrogateescape"),
        check=False,
    )
    assert git_apply.returncode == 0
    assert "\x1b]52;c;" in raw
