"""Calls the candidate's functions, and compares the results outside of its sandbox."""

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field, model_validator

from attractor.base.errors import AttractorError
from attractor.base.json import Json, parse_object
from attractor.base.processes import ExecResult, OutputChunk
from attractor.scenarios.cases.cases import NumberedCase, mismatch, read_cases, text_of
from attractor.scenarios.check import (
    CheckOptions,
    CheckPhase,
    CheckResult,
    Observation,
    check_result,
)
from attractor.scenarios.patterns import search_texts
from attractor.scenarios.suite import Duration, RelativePath
from attractor.scenarios.suite_files import CHECKS

_DRIVERS = {
    ".js": ("driver.mjs", 'node --input-type=module -e "$ATTRACTOR_DRIVER"'),
    "": ("driver.py", """python3 -u -c 'import os; exec(os.environ.pop("ATTRACTOR_DRIVER"))'"""),
}
_JAVASCRIPT = (".js", ".mjs", ".cjs")
_SHOWN = 3
Answers = Mapping[str, Mapping[str, Json]]


class CasesCheck(CheckOptions):
    """Passes if each call in a file of `checks/` has the expected result, compared outside."""

    phase: ClassVar[CheckPhase] = CheckPhase.RUNNING

    cases: RelativePath = Field(description="a file in `checks/` with a case on each line")
    module: str = Field(default="", description="a module of Python, or a file of JavaScript")
    run: str = Field(default="", description="the command of another driver, in place of a module")
    cwd: RelativePath = Field(default=".", description="the folder of the driver")
    timeout: Duration | None = Field(
        default=None, description="its time limit (default: `trials.timeout`)"
    )

    @model_validator(mode="after")
    def _has_one_driver(self) -> "CasesCheck":
        if bool(self.module) == bool(self.run):
            raise ValueError("set either module or run")
        return self

    async def judge(self, observed: Observation) -> CheckResult:
        """Let a driver do what the cases say, and compare its answers."""
        cases = read_cases(observed.suite_folder / CHECKS / self.cases)
        if observed.failure:
            return check_result("cases", passed=False, reason=observed.failure, evidence="")
        together = [one for one in cases if not one.case.fresh]
        wrong: dict[int, str] = {}
        alone = [[one] for one in cases if one.case.fresh]
        for group in ([together] if together else []) + alone:
            wrong |= await self._play(group, observed)
        shown = "; ".join(f"line {line} {wrong[line]}" for line in sorted(wrong)[:_SHOWN])
        more = f"; {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else ""
        reason = f"{len(cases) - len(wrong)} of {len(cases)} cases of {self.cases} passed"
        if wrong:
            reason += f": {shown}{more}"
        return check_result("cases", passed=not wrong, reason=reason, evidence=reason)

    async def _play(self, cases: Sequence[NumberedCase], observed: Observation) -> dict[int, str]:
        """Return why cases are wrong, by line."""
        names = [secrets.token_hex(8) for _ in cases]
        asked = "".join(
            f"{json.dumps({'id': name, 'do': one.case.steps})}\n"
            for name, one in zip(names, cases, strict=True)
        )
        done = await self._drive(asked, observed)
        answers = _answers(done, names)
        wrong: dict[int, str] = {}
        for name, one in zip(names, cases, strict=True):
            answer = answers.get(name, {})
            why = mismatch(one.case, answer)
            if not why and one.case.matches is not None:
                [is_found] = await search_texts(
                    one.case.matches, [text_of(answer)], observed.edition
                )
                why = "" if is_found else "does not match"
            if why:
                wrong[one.line] = why if answers else f"{why}: {_ended(done)}"
        return wrong

    async def _drive(self, asked: str, observed: Observation) -> ExecResult:
        is_javascript = PurePosixPath(self.module).suffix in _JAVASCRIPT
        name, command = _DRIVERS[".js" if is_javascript else ""]
        source = (files("attractor.scenarios.cases") / name).read_text("utf-8")
        own = {"ATTRACTOR_DRIVER": source, "ATTRACTOR_MODULE": self.module}
        limit = self.timeout or observed.timeout
        said: list[str] = []

        def keep(chunk: OutputChunk) -> None:
            if chunk.stream == "stdout":
                said.append(chunk.text)

        done = await observed.environment.exec_command(
            self.run or command,
            timeout_ms=round(limit.total_seconds() * 1000),
            working_dir=self.cwd,
            env_vars={**observed.variables, **({} if self.run else own)},
            stdin=asked.encode(),
            on_output=keep,
        )
        # Whole: what is kept of a long output lacks its middle.
        return replace(done, stdout="".join(said))


def _answers(done: ExecResult, names: Sequence[str]) -> Answers:
    """Return the answers by name; of a forged or second one, none."""
    found: dict[str, Mapping[str, Json]] = {}
    known = {*names}
    for line in done.stdout.splitlines():
        try:
            answer = parse_object(line) or {}
        except (AttractorError, RecursionError):
            continue
        name = answer.get("id")
        if isinstance(name, str) and name in known:
            found[name] = {} if name in found else answer
    return found


def _ended(done: ExecResult) -> str:
    lines = done.stderr.strip().splitlines()
    ended = "exceeded its time limit" if done.timed_out else f"ended with {done.exit_code}"
    return f"the driver {ended}" + (f": {lines[-1][:200]}" if lines else "")


part = CasesCheck
