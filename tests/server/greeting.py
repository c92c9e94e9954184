"""A project whose first result is a no-go and whose second, with the feedback, is a go.

The answers of the model come from a script; agents, tests, human gate, trials and gate are real.
"""

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from attractor.base.clock import SystemClock
from attractor.factory.resources.profiles import make_profile
from attractor.server.service import Service
from attractor.twins.script.script import load_script
from attractor.twins.server.hosting import in_background
from attractor.twins.server.provider_twin import ProviderTwin
from tests.factory.resources.stores import register
from tests.pipeline.projects import make_project
from tests.prepared import quick_programs
from tests.scenarios.suites import write_suite

PIPELINE = """digraph greeting {
    graph [goal="Greet a person by name", default_max_retries=0]
    rankdir=LR
    start [shape=Mdiamond, label="Start"]
    exit  [shape=Msquare, label="Done"]
    make  [label="Write", prompt="Write greet.py: $goal",
           llm_provider="openai", llm_model="gpt-5.2"]
    test  [label="Test", shape=parallelogram, tool_command="python3 greet.py Ann"]
    ask   [label="Does it greet?", shape=hexagon]
    start -> make -> test -> ask
    ask -> exit [label="[Y] Yes"]
    ask -> make [label="[A] Again"]
}
"""
SETTINGS = '[backends]\ndefault = "agent"\n'
SCRIPT = """
[[rules]]
name = "with feedback"
when = { first_user = { regex = "(?s)names: [1-9].*Write greet" }, step = 0 }
[rules.answer]
text = "The name is an argument."
[[rules.answer.tool_calls]]
name = "write_file"
[rules.answer.tool_calls.arguments]
file_path = "greet.py"
content = "import sys\\n\\nprint('Hello', sys.argv[1])\\n"

[[rules]]
name = "first"
when = { first_user = "Write greet", step = 0 }
[rules.answer]
text = "I write the program."
[[rules.answer.tool_calls]]
name = "write_file"
[rules.answer.tool_calls.arguments]
file_path = "greet.py"
content = "print('Hello Ann')\\n"
[[rules.answer.tool_calls]]
name = "shell"
[rules.answer.tool_calls.arguments]
command = "until [ -e go ]; do sleep 0.05; done; rm go"
timeout_ms = 60000

[[rules]]
name = "report"
when = { first_user = "Write greet", step = 1 }
[[rules.answer.tool_calls]]
name = "report_outcome"
arguments = { outcome = "success", notes = "greet.py greets." }

[[rules]]
name = "end"
when = { first_user = "Write greet", step = 2 }
answer = { text = "The program is there." }
"""
SUITE = """
name = "greeting"
pipeline = "greeting"

[trials]
n = 2

[gate]
min_satisfaction = 1.0
"""
HOLDOUT = """
id = "{id}"
title = "Hidden title of {name}"
story = "A person called {name} runs the program."
tags = ["names"]

[[steps]]
name = "greet"
run = "python3 greet.py {name}"

[[checks]]
kind = "stdout"
step = "greet"
contains = "Hello {name}"
"""
NAMES = ("Ann", "Eve", "Zoe")


@contextmanager
def greeting(folder: Path) -> Generator[Service]:
    """Make the project, and yield its service while a twin answers for the models."""
    project = make_project(folder / "project", PIPELINE, **{"attractor.toml": SETTINGS})
    (folder / "script.toml").write_text(SCRIPT)
    with in_background(ProviderTwin(load_script(folder / "script.toml"))) as twin:
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "ATTRACTOR_STATE_DIR": str(folder / "state"),
            "ATTRACTOR_WORKSPACES_DIR": str(folder),
        }
        service = Service.of(project, variables | dict(twin.environ()))
        stores, now = service.opened, SystemClock().now()
        holdouts = {name.lower(): HOLDOUT.format(id=name.lower(), name=name) for name in NAMES}
        register(stores.suites, write_suite(folder / "suite", suite=SUITE, **holdouts), now=now)
        profile = make_profile("lenient", ("isolation_unverified", "dirty_base"))
        stores.profiles.create(profile, by="ann", now=now)
        program = (str(quick_programs() / "attractor"),)
        yield replace(service, processes=replace(service.processes, program=program))
