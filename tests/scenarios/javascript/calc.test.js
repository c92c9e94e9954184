const { test } = require("node:test"); const assert = require("node:assert/strict");
const calc = require("../src/calc"); const { Coin, KEY } = require("../src/calc.js");
test("finds the module without its suffix", () => assert.equal(calc.Coin, Coin));
test("uses objects", () => {
  const coin = new Coin(3);
  assert.ok(coin instanceof Coin && !(coin instanceof calc.Bad));
  assert.deepEqual(Coin.of(3), coin);
  assert.notDeepEqual(Coin.of(4), coin);
  coin.value = 0;
  assert.equal(coin.big, false);
});
test("catches errors", () => {
  for (const kind of [calc.Bad, RangeError, /no/, { message: "no", code: 7, name: "Bad" }]) assert.throws(calc.fail, kind);
});
test("iterates", async () => {
  assert.deepEqual([...calc.range(3)], [0, 1, 2]);
  assert.equal(calc.sum((function* () { yield 1; yield 2; })()), 3);
  const found = [];
  for await (const one of calc.slowly(2)) found.push(one);
  assert.deepEqual(found, [0, 1]);
});
test("awaits", async () => {
  assert.deepEqual(await Promise.all([calc.later(1), calc.later(2)]), [1, 2]);
  assert.deepEqual(await calc.each([1, 2], async (one) => calc.later(one * 2)), [2, 4]);
  await assert.rejects(calc.each([1], async () => { throw new TypeError("mine"); }), TypeError);
});
test("is called back", (t, done) => calc.soon((one) => { assert.equal(one, 5); done(); }));
test("shares what was changed", () => {
  const all = [1], bytes = Buffer.from([1, 2]);
  assert.equal(calc.push(all, { a: 1 }), all);
  assert.deepEqual(all, [1, { a: 1 }]);
  assert.deepEqual([calc.first(bytes), bytes], [Buffer.from([9]), Buffer.from([9, 2])]);
  calc.config.list.push(2);
  assert.deepEqual(calc.known(), { list: [1, 2] });
  assert.equal(calc.known(), calc.config);
});
test("keeps what is in a function", () => { const one = calc.counter(); one.up(); one.up(); assert.equal(one.value, 2); });
test("derives", () => {
  class Dog extends calc.Animal { name() { return `dog of ${super.name()}`; } }
  assert.equal(new Dog().speak(), "dog of animal!");
  assert.ok(new Dog() instanceof calc.Animal && new Dog() instanceof Dog);
});
test("listens", () => { const bus = new calc.Bus(), got = []; bus.on("one", (one) => got.push(one)); bus.fire(3); assert.deepEqual(got, [3]); });
test("uses a class of arrays", () => { const all = calc.Stack.of(1, 2); assert.ok(Array.isArray(all)); assert.deepEqual([all.top(), [...all]], [2, [1, 2]]); });
test("rebuilds values", () => {
  const all = [new Map([[1, new Set([2n])]]), undefined, null, NaN, -0, Infinity, new Date(5), /a/g, new URL("http://a/"), "\ud800"];
  assert.deepEqual(calc.same(all), all);
  class Mine {}
  for (const one of [new Mine(), () => 1, Symbol.iterator, Object.freeze([1])]) assert.equal(calc.same(one), one);
  assert.equal(calc.keyed()[KEY], 1);
  assert.equal(calc.parsed().a, undefined);
});
test("replaces", (t) => {
  const log = t.mock.method(console, "log", () => {});
  calc.say();
  assert.deepEqual(log.mock.calls[0].arguments, ["%d words", 2]);
  t.mock.method(calc, "sum", () => 7);
  assert.equal(calc.sum([]), 7);
});
