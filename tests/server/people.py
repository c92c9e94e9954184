"""People who use the pages in a browser: one with a mouse, one with the keyboard only."""

from typing import Protocol

from playwright.sync_api import Locator, Page

MOST_STOPS = 150
"""The number of Tab keys after which an element counts as not reachable."""


class Person(Protocol):
    """The ways in which the test acts on a page."""

    def press(self, target: Locator) -> None:
        """Press a link or a button."""
        ...

    def write(self, target: Locator, text: str) -> None:
        """Write a text into an empty field."""
        ...

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option of a select."""
        ...


class WithMouse:
    """A person who points and clicks."""

    def press(self, target: Locator) -> None:
        """Press a link or a button."""
        target.click()

    def write(self, target: Locator, text: str) -> None:
        """Write a text into an empty field."""
        target.click()
        target.page.keyboard.type(text)

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option of a select."""
        target.select_option(label=label)


class WithKeyboard:
    """A person without a mouse, who reaches every element by the Tab key."""

    def press(self, target: Locator) -> None:
        """Press a link or a button."""
        self._reach(target)
        target.page.keyboard.press("Enter")

    def write(self, target: Locator, text: str) -> None:
        """Write a text into an empty field."""
        self._reach(target)
        target.page.keyboard.type(text)

    def choose(self, target: Locator, label: str) -> None:
        """Choose an option of a select by its first letters."""
        self._reach(target)
        target.page.keyboard.type(label)

    def _reach(self, target: Locator) -> None:
        page: Page = target.page
        # Search again only if the page has replaced the element: a search takes longer than a key
        # press.
        element = target.element_handle()
        for _ in range(MOST_STOPS):
            if not element.evaluate("one => one.isConnected"):
                element = target.element_handle()
            if element.evaluate("one => one === document.activeElement"):
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not reach {target}")
