"""Asks the judge of the suite whether evidence fulfills a rubric."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, model_validator

from attractor.base.errors import UsageError
from attractor.base.processes import OutputLimit
from attractor.engine.truncation import keep_ends
from attractor.environments.errors import FileUnusable
from attractor.scenarios.check import (
    CheckOptions,
    CheckResult,
    JudgeQuestion,
    JudgeVerdict,
    Observation,
    StepRecord,
    check_result,
    step_record,
)
from attractor.scenarios.suite import RelativePath, SuiteSettings
from attractor.scenarios.suite_files import RUBRICS, read_suite_file


class RubricCheck(CheckOptions):
    """Passes if the judge's score of steps and files by a rubric is at least `min_score`."""

    needs_judge: ClassVar[bool] = True

    rubric: str = Field(description="a file in `rubrics/`")
    steps: tuple[str, ...] = Field(
        default=(), description="steps whose outputs and responses are evidence"
    )
    files: tuple[RelativePath, ...] = Field(
        default=(), description="files of the candidate that are evidence"
    )
    min_score: float = Field(default=0.7, ge=0, le=1, description="the smallest score that passes")
    hard: bool = Field(default=False, description="whether the check must pass")

    @model_validator(mode="after")
    def _has_evidence(self) -> "RubricCheck":
        if not self.steps and not self.files:
            raise ValueError("set steps or files, the evidence for the judge")
        return self

    async def find_missing(
        self, settings: SuiteSettings, environ: Mapping[str, str]
    ) -> UsageError | None:
        """Return the error if the judge has no model or no API key."""
        # It imports the model client, which few suites need.
        from attractor.scenarios.judge import choose_judge

        try:
            await choose_judge(settings.judge, environ)
        except UsageError as error:
            return error
        return None

    async def judge(self, observed: Observation) -> CheckResult:
        """Collect the evidence and ask the judge; without evidence, the check fails unasked."""
        evidence: dict[str, str] = {}
        for name in self.steps:
            record = step_record(observed, "rubric", name)
            if not isinstance(record, StepRecord):
                return record
            evidence |= _texts_of(record)
        for path in self.files:
            try:
                content = await observed.environment.read_bytes(path, limit=_MOST_BYTES)
            except FileUnusable as error:
                reason = f"{path} cannot be read: {error}"
                return check_result("rubric", passed=False, reason=reason, evidence=reason)
            evidence[f"file {path}"] = content.decode("utf-8", "replace")
        rubric = read_suite_file(observed.suite_folder / RUBRICS / self.rubric).decode(
            "utf-8", "replace"
        )
        shortened = {name: keep_ends(text, _KEPT) for name, text in evidence.items()}
        question = JudgeQuestion(rubric, shortened, observed.seed)
        verdict = await observed.ask_judge(question)
        observed.usage.add(verdict)
        return self.scored(question, verdict)

    def scored(self, question: JudgeQuestion, verdict: JudgeVerdict) -> CheckResult:
        """Return the result by the score of the judge."""
        reason = f"{self.rubric}: {verdict.score:.2f}: {verdict.reason}"
        return check_result(
            "rubric",
            passed=verdict.score >= self.min_score,
            score=verdict.score,
            reason=reason,
            evidence="\n\n".join([question.rubric, *question.evidence.values(), reason]),
        )


_MOST_BYTES = 1_000_000
_KEPT = OutputLimit(head=20_000, tail=20_000)


def _texts_of(record: StepRecord) -> dict[str, str]:
    """Return the texts of a step by name."""
    if record.http_status is not None:
        return {f"response to {record.name} ({record.http_status})": record.body}
    status = "exceeded its time limit" if record.timed_out else f"exit status {record.exit_code}"
    texts = {f"stdout of {record.name} ({status})": record.stdout}
    return texts | ({f"stderr of {record.name}": record.stderr} if record.stderr else {})


part = RubricCheck
