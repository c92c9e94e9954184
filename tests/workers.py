"""Runs tests in processes that are forked from the one that has collected them: `--workers 4`.

pytest-xdist collects in each worker. With 10,700 tests that takes 17 s of processor time in each,
and 40 s where the modules are not yet compiled. Other options of pytest work as without workers.
"""

import atexit
import gc
import os
import re
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import cache_from_source
from itertools import chain, groupby, pairwise
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from tempfile import TemporaryFile
from types import SimpleNamespace
from typing import Any

import pytest
from _pytest.capture import FDCapture

from tests import prepared
from tests.costs import read_costs

FORKING = get_context("fork")
NAME = "PYTEST_XDIST_WORKER"
"""The variable with the name of a worker, by which plugins know one."""
LONGEST_S = 20.0
"""Tests of a module that take longer are given to several workers."""
USUAL_S = 0.03


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.addoption("--workers", type=int, default=0, help="number of forked workers")


def pytest_configure(config: pytest.Config) -> None:
    """Load the program for tests of commands beside the collection."""
    if config.getoption("workers"):
        prepared.share(prepared.address())


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile the test modules of a new clone from their end, beside the collection."""
    config = session.config
    if config.getoption("workers", 0) and config.args == config.getini("testpaths"):
        FORKING.Process(target=_compile, args=(config.rootpath,), daemon=True).start()


def _compile(root: Path) -> None:
    for file in sorted(root.glob("tests/**/test_*.py"), reverse=True):
        if list(Path(cache_from_source(str(file))).parent.glob(f"{file.stem}.*pytest*.pyc")):
            return
        # The collection reports it.
        with suppress(Exception, pytest.skip.Exception):
            import_module(".".join(file.relative_to(root).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests that load litellm beside each other."""
    items.sort(key=_loads_litellm, reverse=True)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Let workers run the tests, if there are workers and all modules could be collected."""
    count = session.config.getoption("workers")
    if not count or session.testsfailed or session.config.option.collectonly:
        return None
    gc.freeze()
    crew = Crew(session, deque(_chunks(session.items)))
    try:
        crew.work(count)
    finally:
        for worker in crew.workers.values():
            worker.process.terminate()
    return True


def _chunks(items: Sequence[pytest.Item]) -> list[list[int]]:
    """Divide the tests into parts of modules, the longest first."""
    costs = read_costs()
    chunks: list[tuple[float, list[int]]] = []
    for _, numbers in groupby(range(len(items)), lambda number: _module(items[number])):
        taken_s = LONGEST_S
        for number in numbers:
            name = items[number].nodeid
            cost_s = costs.quick.get(name) or costs.slow.get(name) or USUAL_S
            if taken_s + cost_s > LONGEST_S:
                chunks.append((taken_s := 0.0, []))
            taken_s += cost_s
            chunks[-1] = taken_s, [*chunks[-1][1], number]
    return [numbers for _, numbers in sorted(chunks, reverse=True)]


def _module(item: pytest.Item) -> str:
    # Loading litellm takes 3 s: only the workers that get these tests load it.
    return "litellm" if _loads_litellm(item) else item.nodeid.partition("::")[0]


def _loads_litellm(item: pytest.Item) -> bool:
    return bool(re.search("litellm|tests/llm/", item.nodeid))


@dataclass
class Worker:
    """A process, and the tests that it was given but has not ended."""

    process: Any
    given: deque[int] = field(default_factory=deque[int])


@dataclass
class Crew:
    """The workers, and the tests that none of them has."""

    session: pytest.Session
    chunks: deque[list[int]]
    workers: dict[Connection, Worker] = field(default_factory=dict[Connection, Worker])
    started: int = 0

    def work(self, count: int) -> None:
        """Run all tests; replace a worker that dies."""
        for _ in range(min(count, len(self.chunks))):
            self.start()
        while self.workers:
            sentinels = {one.process.sentinel: line for line, one in self.workers.items()}
            ready = wait([*self.workers, *sentinels])
            # What a worker has sent comes before its end: a process of a test may keep its line.
            if lines := [one for one in ready if isinstance(one, Connection)]:
                self.listen(lines)
            else:
                self.bury(sentinels[ready[0]])
        assert not self.chunks or self.is_stopped(), "the workers died before their first test"

    def start(self) -> None:
        """Fork a worker."""
        ours, theirs = FORKING.Pipe()
        name = f"gw{self.started}"
        self.started += 1
        others = [ours, *self.workers]
        process = FORKING.Process(target=_work, args=(self.session, name, theirs, others))
        process.start()
        theirs.close()
        self.workers[ours] = Worker(process)

    def listen(self, lines: Sequence[Connection]) -> None:
        """Take a message from each of some workers."""
        for line in lines:
            try:
                kind, content = line.recv()
            except (EOFError, OSError):
                self.bury(line)
            else:
                self.hear(line, kind, content)

    def hear(self, line: Connection, kind: str, content: Any) -> None:
        """Answer a worker, or report what it has done."""
        worker, config = self.workers[line], self.session.config
        match kind:
            case "more":
                chunk = [] if self.is_stopped() or not self.chunks else self.chunks.popleft()
                worker.given.extend(chunk)
                line.send(chunk)
            case "report":
                report = config.hook.pytest_report_from_serializable(config=config, data=content)
                gateway = SimpleNamespace(id=worker.process.name)
                report.node = SimpleNamespace(gateway=gateway, _workerinfocache="")
                config.hook.pytest_runtest_logreport(report=report)
            case "end":
                worker.given.popleft()
            case _:
                node = SimpleNamespace(config=config, workeroutput=content)
                config.hook.pytest_testnodedown(node=node, error=None)

    def is_stopped(self) -> bool:
        """Return whether no other test is to begin."""
        return bool(self.session.shouldfail or self.session.shouldstop)

    def bury(self, line: Connection) -> None:
        """Report the test during which a worker died, and give the others to a new one."""
        worker = self.workers.pop(line)
        worker.process.join()
        if not worker.given:
            return
        item = self.session.items[worker.given.popleft()]
        report = pytest.TestReport(
            item.nodeid,
            item.location,
            keywords={},
            outcome="failed",
            longrepr=f"the worker ended with {worker.process.exitcode} in this test",
            when="call",
        )
        item.ihook.pytest_runtest_logreport(report=report)
        if worker.given:
            self.chunks.appendleft([*worker.given])
        if self.chunks:
            self.start()


class Reports:
    """Sends reports of tests to the first process."""

    def __init__(self, config: pytest.Config, line: Connection) -> None:
        self._config, self._line = config, line

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Send a report."""
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._line.send(("report", data))


def _work(session: pytest.Session, name: str, line: Connection, others: list[Connection]) -> None:
    """Run the tests that the first process names, in a process of its own."""
    for other in others:
        other.close()
    atexit._clear()  # pyright: ignore  # the first process runs its own
    config, manager = session.config, session.config.pluginmanager
    os.environ[NAME] = name
    vars(config)["workeroutput"] = output = dict[str, Any]()
    manager.unregister(name="terminalreporter")
    _capture_apart(manager.getplugin("capturemanager"))
    factory = vars(config)["_tmp_path_factory"]
    factory._basetemp = factory.getbasetemp() / name
    factory._basetemp.mkdir()
    manager.register(Reports(config, line))
    items = (session.items[number] for number in chain.from_iterable(_given(line)))
    for item, following in pairwise(chain(items, [None])):
        assert item
        config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        line.send(("end", None))
    vars(config)["_syrupy"].finish()
    line.send(("output", output))
    atexit._run_exitfuncs()  # pyright: ignore


def _capture_apart(manager: Any) -> None:
    """Let a worker capture into files of its own, behind the descriptors of the first process.

    Modules may have kept the streams to which these belong.
    """
    for captured in (manager._global_capturing.out, manager._global_capturing.err):
        if isinstance(captured, FDCapture):
            with TemporaryFile() as file:
                os.dup2(file.fileno(), captured.tmpfile.fileno(), inheritable=False)


def _given(line: Connection) -> Iterator[list[int]]:
    line.send(("more", None))
    while chunk := line.recv():
        yield chunk
        line.send(("more", None))
