"""What a twin remembers of earlier requests for its answers; all of it can be forgotten at once."""

from collections import Counter

from attractor.twins.prompt_cache import PromptCache
from attractor.twins.recordings import Recordings


class Memory:
    """Remembers which prompts were read, and how often each rule was used."""

    def __init__(self, recordings: Recordings | None = None) -> None:
        self.prompts = PromptCache()
        self.recordings = recordings
        self._uses = Counter[int]()

    def use(self, entry: int) -> int:
        """Count a use of a rule, and return how many there are by now."""
        self._uses[entry] += 1
        return self._uses[entry]

    def uses(self, entry: int) -> int:
        """Return how often a rule was used."""
        return self._uses[entry]

    def forget_uses(self) -> None:
        """Count from the beginning, for other rules."""
        self._uses.clear()

    def forget(self) -> None:
        """Begin anew."""
        self.forget_uses()
        self.prompts = PromptCache()
        if self.recordings is not None:
            self.recordings.forget()
