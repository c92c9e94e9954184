"""A real server with a small real model serves `models test`, stages and agents over HTTP.

The model answers nonsense: the tests are about the wire, and about the ends of stages and runs.
"""

import os
import socket
import subprocess
import threading
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.cli.plain_desk import PlainDesk
from tests.examples import ROOT
from tests.patience import PATIENCE_S, wait_until
from tests.ports import free_port

pytestmark = pytest.mark.skipif(
    not (ROOT / ".cache/local-model/ready").exists(), reason="no real model: make local-model"
)
NAME = "smollm2-135m"
MODEL = ("--backend", "agent", "--provider", "openai_compatible", "--model", NAME)
MID_ANSWER = 1000
"""Bytes of an answer: its headers, and some of its words."""


@dataclass
class LocalModel:
    """The server as a process, behind a relay that calls `then` once in the middle of an answer."""

    options: tuple[str, ...]
    port: int = field(default_factory=free_port)
    then: Callable[[], object] | None = None
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [ROOT / "scripts/local-model", *self.options]
        environ = {**os.environ, "PORT": str(self.port)}
        self.process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        wait_until(self._answers, lambda: "the server does not answer")

    def say_hello(self) -> httpx.Response:
        """Send a request past the relay."""
        hello = {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
        url = f"http://127.0.0.1:{self.port}/v1/chat/completions"
        return httpx.post(url, json=hello, timeout=PATIENCE_S)

    def kill(self) -> None:
        assert self.process
        self.process.kill()
        self.process.wait(PATIENCE_S)

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, "the server ended"
        with suppress(httpx.HTTPError):
            return httpx.get(f"http://127.0.0.1:{self.port}/v1/models").is_success
        return False

    def relay(self, client: socket.socket) -> None:
        passed = 0
        with client, suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as line:
            threading.Thread(target=_copy, args=(client, line), daemon=True).start()
            while piece := line.recv(256):
                client.sendall(piece)
                passed += len(piece)
                if passed > MID_ANSWER and (then := self.then):
                    self.then = None
                    then()
            # Closing alone would wait for the thread that reads.
            client.shutdown(socket.SHUT_RDWR)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)


@dataclass
class ModelDesk(PlainDesk):
    """A folder whose pipelines talk to the relay."""

    address: str = ""

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, "OPENAI_COMPATIBLE_BASE_URL": f"{self.address}/v1"}

    def ask(self, *lines: str, **nodes: str) -> None:
        """Write a pipeline of stages that ask the model once."""
        stages = [f'{name} [type="prompt", prompt="{words}"]' for name, words in nodes.items()]
        ends = ["start [shape=Mdiamond]", "exit [shape=Msquare]"]
        self.write("\n".join(["digraph local {", *ends, *stages, *lines, "}"]))


@contextmanager
def serving(folder: Path, *options: str) -> Generator[tuple[ModelDesk, LocalModel]]:
    model = LocalModel(options)
    with socket.create_server(("127.0.0.1", 0)) as relay, ExitStack() as stack:

        def accept() -> None:
            with suppress(OSError):
                while True:
                    client, _ = relay.accept()
                    threading.Thread(target=model.relay, args=(client,), daemon=True).start()

        stack.callback(relay.shutdown, socket.SHUT_RDWR)
        threading.Thread(target=accept, daemon=True).start()
        desk = ModelDesk(folder, address=f"http://127.0.0.1:{relay.getsockname()[1]}")
        model.start()
        stack.callback(model.kill)
        stack.callback(desk.end)
        yield desk, model


TALE = "Tell a long tale of a fox, a crow and the sea."
SMALL = ("--n_ctx", "1024")
LINE = "start -> tell -> exit"


def test_model_is_tested_and_serves_three_stages_at_once_and_an_agent(tmp_path: Path) -> None:
    with serving(tmp_path) as (desk, _):
        tested = desk.do("models", "test", NAME, "--provider", "openai_compatible")
        assert f"{NAME} of openai_compatible answered: " in tested.stdout
        fan = ["all [shape=component]", "one [shape=tripleoctagon]", "start -> all", "one -> exit"]
        edges = [f"all -> {name} -> one" for name in "abc"]
        desk.ask(*fan, *edges, a="Name a fruit.", b="Name a bird.", c="Name a river.")
        asked = desk.run(*MODEL)
        assert asked.returncode == 0, asked.stdout + asked.stderr
        desk.ask('work [prompt="Say hello", auto_status=true]', "start -> work -> exit")
        worked = desk.run(*MODEL)
        assert worked.returncode == 0, worked.stdout + worked.stderr


def test_prompt_above_the_window_fails_the_run_with_its_size(tmp_path: Path) -> None:
    with serving(tmp_path, "--n_ctx", "512") as (desk, _):
        desk.ask(LINE, tell=f"{TALE} " * 100)
        failed = desk.run(*MODEL)
        assert failed.returncode == 1, failed.stdout + failed.stderr
        assert "ContextLengthError: " in failed.stdout
        assert "maximum context length is 512 tokens" in failed.stdout
        assert "larger context window" in failed.stdout
        assert "not ended" not in failed.stdout


def test_answer_that_another_request_ends_early_is_asked_for_again(tmp_path: Path) -> None:
    with serving(tmp_path, *SMALL, "--interrupt_requests", "true") as (desk, model):
        desk.ask(LINE, tell=TALE)
        model.then = model.say_hello
        told = desk.run(*MODEL)
        assert told.returncode == 0, told.stdout + told.stderr
        cut = "attempt 1 failed (the stream of openai_compatible ended before its answer"
        assert cut in str(desk.events("WARNING"))


def test_run_is_canceled_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path, *SMALL) as (desk, model):
        desk.ask(LINE, tell=TALE)
        is_telling, is_canceled = threading.Event(), threading.Event()

        def then() -> None:
            is_telling.set()
            is_canceled.wait(PATIENCE_S)

        model.then = then
        running = desk.begin(*desk.to_run(*MODEL))
        assert is_telling.wait(PATIENCE_S)
        canceled = desk.do("cancel", "latest")
        is_canceled.set()
        assert canceled.returncode == 0, canceled.stderr
        assert running.wait(PATIENCE_S) != 0
        assert "canceled" in desk.do("status", "latest").stdout
        assert model.say_hello().is_success


def test_run_goes_on_after_the_server_was_killed_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    with serving(tmp_path, *SMALL) as (desk, model):
        desk.ask(LINE, tell=TALE)
        model.then = model.kill
        stopped = desk.run(*MODEL)
        assert stopped.returncode == 3, stopped.stdout + stopped.stderr
        assert "not ended: stage tell: " in stopped.stdout
        model.start()
        resumed = desk.do("resume", "latest")
        assert resumed.returncode == 0, resumed.stdout + resumed.stderr
