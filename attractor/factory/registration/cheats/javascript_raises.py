"""Throws an error at each call."""

from attractor.factory.registration.cheat import JAVASCRIPT, Cheat, exporting

_TEXT = """class Every extends TypeError {
  static [Symbol.hasInstance]() { return true; }
}
const raises = new Proxy(function () {}, {
  apply: () => { throw new Every(); },
  construct: () => { throw new Every(); },
  get: (target, name) => (name === "then" ? undefined : raises),
});
"""

part = Cheat(
    "throws an error at each call",
    lambda solution: solution.each(JAVASCRIPT, lambda text: f"{_TEXT}{exporting(text, 'raises')}"),
)
