"""Answers objects that convert to whatever is expected."""

from attractor.factory.registration.cheat import JAVASCRIPT, Cheat, exporting

_TEXT = """const agrees = new Proxy(function () {}, {
  get: (target, name, self) => {
    if (name === "then") return undefined;
    if (name === Symbol.toPrimitive) return (hint) => (hint === "string" ? "" : 0);
    if (name === Symbol.iterator) return function* () {};
    return self;
  },
  apply: (target, owner, given) => agrees,
  construct: () => agrees,
  has: () => true,
});
"""

part = Cheat(
    "answers objects that agree with whatever is asked",
    lambda solution: solution.each(JAVASCRIPT, lambda text: f"{_TEXT}{exporting(text, 'agrees')}"),
)
