const { EventEmitter } = require("node:events");
class Coin {
  #secret = 1;
  constructor(value) { this.value = value; }
  get big() { return this.value > this.#secret; }
  static of(value) { return new Coin(value); }
}
class Bad extends RangeError {
  constructor(text, code) { super(text); Object.assign(this, { code, name: "Bad" }); }
}
class Animal { speak() { return `${this.name()}!`; } name() { return "animal"; } }
class Bus extends EventEmitter { fire(one) { this.emit("one", one); } }
class Stack extends Array { top() { return this[this.length - 1]; } }
const config = { list: [1] }, KEY = Symbol("key");
module.exports = {
  Coin, Bad, Animal, Bus, Stack, config, KEY,
  fail() { throw new Bad("no", 7); },
  *range(n) { for (let at = 0; at < n; at++) yield at; },
  async *slowly(n) { for (let at = 0; at < n; at++) yield at; },
  later: (one) => new Promise((done) => setTimeout(done, 5, one)),
  async each(all, act) { const found = []; for (const one of all) found.push(await act(one)); return found; },
  soon: (act) => { setTimeout(act, 5, 5); },
  sum: (all) => { let found = 0; for (const one of all) found += one; return found; },
  push: (all, one) => { all.push(one); return all; },
  first: (bytes) => { bytes[0] = 9; return bytes.subarray(0, 1); },
  counter: () => { let n = 0; return { up: () => (n += 1), get value() { return n; } }; },
  known: () => config, same: (one) => one, keyed: () => ({ [KEY]: 1 }), say: () => console.log("%d words", 2),
  parsed: () => JSON.parse('{"__proto__": {"a": 1}}'),
};
