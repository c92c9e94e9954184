"""Applies safe fixes to pipelines."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from attractor.base.amounts import number_of
from attractor.base.dataclasses import dataclass
from attractor.cli.output.files import text_diff
from attractor.cli.pipelines.check import CheckResult, PipelineChecker, without_duplicates
from attractor.cli.pipelines.files import PipelineFile, write_pipeline
from attractor.language.diagnostics import Diagnostic, place_of, warning
from attractor.language.preparation.fixes import SafelyFixed, fix_safely
from attractor.language.source.syntax_tree import Span
from attractor.language.source.text import Source, visible

UNSAFE = "unsafe_fix"


@dataclass(frozen=True)
class FixedFile:
    """A pipeline before and after its fixes."""

    before: Source
    after: SafelyFixed
    mark: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether the text changed."""
        return self.after.text != self.before.text

    def write(self) -> None:
        """Write the new text to the file."""
        write_pipeline(self.before.file, self.mark + self.after.text)

    def diff(self) -> str:
        """Return the changes as a patch."""
        old, new = self.mark + self.before.text, self.mark + self.after.text
        return text_diff(old, new, file=self.before.file)


def fix_all(files: Sequence[PipelineFile], checker: PipelineChecker) -> list[FixedFile]:
    """Fix each text, without writing the fixed text to its file."""
    return [FixedFile(file.source, _fixed(file.source, checker), file.mark) for file in files]


def result_after_fixes(files: Sequence[FixedFile], unread: Sequence[Diagnostic]) -> CheckResult:
    """Return the remaining diagnostics after the fixes."""
    sources = [Source(file.after.text, file.before.file) for file in files]
    left = [found for file in files for found in (*file.after.left.diagnostics, *_refused(file))]
    return CheckResult(sources, without_duplicates([*left, *unread]))


def fix_lines(files: Sequence[FixedFile]) -> Iterator[str]:
    """Yield a line for each fix, and a line with the number of fixes."""
    fixes = [one for file in files for one in file.after.applied]
    for fix in fixes:
        done = f"{fix.message}: {fix.fix}" if fix.fix else fix.message
        yield visible(f"{place_of(fix.span)}: fixed[{fix.rule}]: {done}")
    changed = sum(file.is_changed for file in files)
    yield f"{len(fixes)} fixed in {number_of(changed, 'file')}"


def _fixed(source: Source, checker: PipelineChecker) -> SafelyFixed:
    return fix_safely(source.text, check=partial(checker.check, file=source.file), file=source.file)


def _refused(file: FixedFile) -> Iterator[Diagnostic]:
    """Explain why fixes of a file were skipped."""
    if file.after.harm:
        first = file.after.harm[0]
        left = "some fixes were" if file.after.applied else "no fixes were applied: they were"
        found = warning(
            f"{left} skipped, because together these fixes would cause: {first.message}",
            Span(file.before.file, 0, 0, 0, 0),
            fix="fix it by hand",
        )
        yield replace(found, rule=UNSAFE)
