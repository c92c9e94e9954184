"""Opens a page of the candidate's service in Chromium, acts on it, and looks at the result."""

import asyncio
import importlib.util
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, model_validator

from attractor.base.errors import UsageError
from attractor.base.json import content_hash
from attractor.engine.truncation import one_line
from attractor.scenarios.accessibility import find_barriers, has_axe
from attractor.scenarios.check import (
    CheckOptions,
    CheckPhase,
    CheckResult,
    Observation,
    TextExpectation,
    check_result,
)
from attractor.scenarios.chromium import explain_missing, find_chromium, open_chromium
from attractor.scenarios.suite import Duration, SuiteSettings, SuiteTable, UrlPath

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

_POLL_INTERVAL_S = 0.1
# For the last action to report its own timeout.
_GRACE_S = 2.0
_LONGEST_REASON = 300
_WIDTH, _HEIGHT, _MOST_BARRIERS = 1280, 720, 5


class BrowserAction(SuiteTable):
    """One action on the page: open a path, click, fill a field with a text, or wait for a text."""

    open: UrlPath | None = None
    click: str | None = None
    fill: str | None = None
    text: str | None = None
    wait: str | None = None

    @model_validator(mode="after")
    def _is_one_action(self) -> "BrowserAction":
        if sum(one is not None for one in (self.open, self.click, self.fill, self.wait)) != 1:
            raise ValueError("set exactly one of open, click, fill and wait")
        if (self.fill is None) != (self.text is None):
            raise ValueError("set text together with fill")
        return self

    async def perform(self, page: "Page", origin: str) -> None:
        """Perform the action within the time limit of the page."""
        if self.open is not None:
            await page.goto(f"{origin}{self.open}")
        elif self.click is not None:
            await page.locator(self.click).first.click()
        elif self.fill is not None:
            await page.locator(self.fill).first.fill(self.text or "")
        elif self.wait is not None:
            await page.get_by_text(self.wait).first.wait_for(state="visible")


class BrowserCheck(TextExpectation, CheckOptions):
    """Passes if the page shows a selector, and its text matches (default: the text of the page)."""

    phase: ClassVar[CheckPhase] = CheckPhase.RUNNING

    port: int = Field(ge=1, le=65535, description="the port of a service")
    path: UrlPath = Field(default="/", description="the path of the first page")
    actions: tuple[BrowserAction, ...] = Field(
        default=(),
        description="tables with `open`, `click`, `fill` and `text`, or `wait`, in order",
    )
    selector: str | None = Field(
        default=None, description="an element that must become visible, as CSS or `text=Add`"
    )
    viewports: tuple[Annotated[int, Field(ge=200, le=4000)], ...] = Field(
        default=(),
        max_length=10,
        description="widths of the page in pixels, such as `[390, 768, 1440]`: the actions are "
        "repeated in a new page at each (default: one page of 1280)",
    )
    accessible: bool = Field(
        default=False,
        description="whether a serious or critical barrier that axe finds at the end fails the "
        "check, also one in a frame",
    )
    timeout: Duration = Field(
        default=timedelta(seconds=20), description="the time limit of each action and of the result"
    )

    @model_validator(mode="after")
    def _expects_something(self) -> "BrowserCheck":
        if self.selector is None and not self.is_given and not self.accessible:
            raise ValueError(
                "set selector, accessible, or one of equals, contains, lacks, matches and "
                "lacks_match"
            )
        return self

    async def find_missing(
        self, settings: SuiteSettings, environ: Mapping[str, str]
    ) -> UsageError | None:
        """Return the error if Playwright or Chromium is not installed."""
        return explain_missing(
            has_playwright=importlib.util.find_spec("playwright") is not None,
            chromium=find_chromium(environ.get("PATH", "")),
            has_axe=has_axe() or not self.accessible,
        )

    async def judge(self, observed: Observation) -> CheckResult:
        """Visit the page, while the services of the trial run."""
        if observed.failure or observed.separate is None:
            reason = observed.failure or "the service does not run"
            return check_result("browser", passed=False, reason=reason, evidence=reason)
        async with (
            observed.environment.reach(self.port) as address,
            observed.separate() as environment,
            environment.offer(self.port, address),
            open_chromium(environment, self.port) as browser,
        ):
            first, *others = self.viewports or (_WIDTH,)
            result = await self._visit(browser, observed.edition, first)
            for width in others:
                if result.passed:
                    result = await self._visit(browser, observed.edition, width)
            return result

    async def _visit(self, browser: "Browser", edition: int, width: int) -> CheckResult:
        # Only suites with this check need Playwright.
        from playwright.async_api import Error

        seconds, at = self.timeout.total_seconds(), f"open = {self.path!r}"
        where = f"at {width} pixels: " if self.viewports else ""
        page = await browser.new_page(viewport={"width": width, "height": _HEIGHT})
        page.set_default_timeout(seconds * 1000)
        origin = f"http://127.0.0.1:{self.port}"
        try:
            async with asyncio.timeout(seconds + _GRACE_S):
                await page.goto(f"{origin}{self.path}")
                for number, action in enumerate(self.actions):
                    at = f"actions[{number}]"
                    await action.perform(page, origin)
                at = f"selector {self.selector!r}" if self.selector else "the page"
                text, lack = await self._look(page, edition)
                if self.accessible and not lack and (barriers := await find_barriers(page)):
                    lack = f"has barriers: {'; '.join(barriers[:_MOST_BARRIERS])}"
                shown = content_hash(await page.screenshot())
        except (Error, TimeoutError) as error:
            words = one_line(str(error) or f"no end within {seconds:g} s", _LONGEST_REASON)
            reason = f"{where}{at}: {words}"
            return check_result("browser", passed=False, reason=reason, evidence=reason)
        reason = f"{where}{at} {lack or 'is as expected'}"
        evidence = f"{page.url}\n{shown}\n{text}"
        return check_result("browser", passed=not lack, reason=reason, evidence=evidence)

    async def _look(self, page: "Page", edition: int) -> tuple[str, str]:
        """Return the text of the page and its mismatch, after waiting for the expected text."""
        found = page.locator(self.selector or "body").first
        await found.wait_for(state="visible" if self.selector else "attached")
        clock = asyncio.get_running_loop()
        end = clock.time() + self.timeout.total_seconds()
        while True:
            lack = await self.mismatch(text := await found.inner_text(), edition)
            if not lack or clock.time() >= end:
                return text, lack
            await asyncio.sleep(_POLL_INTERVAL_S)


part = BrowserCheck
