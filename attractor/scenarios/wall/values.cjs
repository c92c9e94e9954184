// How values cross the wall of JavaScript: those of exact, known types are rebuilt, all others stay
// as handles. Both sides load this file, in Node.js from 18.19.
"use strict";
const { existsSync, readSync, statSync, writeSync } = require("node:fs");
const { relative, sep } = require("node:path");
const { types } = require("node:util");

const MOST_BYTES = 32 << 20;
const MOST_DEPTH = 200;
const MOST_COMPARED = 500;

/** The other side sent what it must not send, or nothing any more. */
class Broken extends Error {}

/** Frames over two files: the length, then JSON. */
class Pipe {
  constructor(reader, writer) {
    this.reader = reader;
    this.writer = writer;
  }

  send(frame) {
    const text = Buffer.from(JSON.stringify(frame));
    if (text.length > MOST_BYTES) throw new RangeError("more than 32 MiB cannot cross the wall at once");
    const whole = Buffer.concat([Buffer.alloc(4), text]);
    whole.writeUInt32BE(text.length);
    try {
      for (let at = 0; at < whole.length; ) at += writeSync(this.writer, whole, at);
    } catch {
      throw new Broken("the process of the candidate has ended");
    }
  }

  receive() {
    const count = this.#read(4).readUInt32BE();
    if (count > MOST_BYTES) throw new Broken("an answer has more than 32 MiB");
    return parsed(this.#read(count));
  }

  #read(count) {
    const found = Buffer.alloc(count);
    for (let at = 0, more; at < count; at += more) {
      more = readSync(this.reader, found, at, count - at);
      if (!more) throw new Broken("the process of the candidate has ended");
    }
    return found;
  }
}

function parsed(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    throw new Broken("an answer is no JSON");
  }
  if (frame === null || typeof frame !== "object" || Array.isArray(frame)) throw new Broken("an answer is no object");
  return frame;
}

const ERRORS = [Error, TypeError, RangeError, SyntaxError, ReferenceError, EvalError, URIError, AggregateError];
// Functions that run code of a text are no answers: no Function.
const CLASSES = [
  ...ERRORS, Object, Array, Map, Set, WeakMap, WeakSet, Date, RegExp, Promise, Number, String, Boolean, BigInt, Symbol,
  Uint8Array, ArrayBuffer, Buffer, URL,
];
const NAMED = new Map(CLASSES.map((one) => [one.name, one]));
const PROTOTYPES = new Map([...CLASSES, Function].map((one) => [one.name, one.prototype]));
const BUFFERS = [
  Buffer, Uint8Array, Uint8ClampedArray, Int8Array, Uint16Array, Int16Array, Uint32Array, Int32Array, Float32Array,
  Float64Array, BigInt64Array, BigUint64Array,
];
const BYTES = new Map(BUFFERS.map((one) => [one.prototype, one]));
const SIMPLE = {
  number: Number,
  bigint: BigInt,
  undefined: () => undefined,
  date: (v) => new Date(v ?? NaN),
  regexp: (v) => new RegExp(...v),
  url: (v) => new URL(v),
  symbol: (v) => (typeof Symbol[v] === "symbol" ? Symbol[v] : undefined),
  "symbol for": (v) => Symbol.for(v),
};

/** What Node.js has by itself, and where: each side uses its own. A function of node:assert is one of the tests. */
const HOMES = new Map();
const FUNCTIONS = [async () => {}, function* () {}, async function* () {}].map((one) => one.constructor);

function learnHomes() {
  settle(globalThis, ["global"], 3);
  FUNCTIONS.forEach((one, at) => settle(one, ["functions", at], 0));
  for (const name of ["fs", "fs/promises", "child_process", "module", "process", "vm"]) settle(require(name), [name], 1);
}

function settle(value, path, depth) {
  if (HOMES.has(value)) return;
  HOMES.set(value, path);
  if (depth)
    for (const [name, { value: one }] of Object.entries(Object.getOwnPropertyDescriptors(value)))
      if (typeof one === "function" || (path[0] === "global" && one && typeof one === "object"))
        settle(one, [...path, name], depth - 1);
}

/** Returns the tag of a container that is rebuilt on the other side, or "". */
function tagOf(value, isWhole) {
  if (types.isProxy(value) || types.isModuleNamespaceObject(value) || types.isArgumentsObject(value)) return "";
  if (HOMES.has(value)) return "";
  const kind = Object.getPrototypeOf(value);
  if (Array.isArray(value)) return kind === Array.prototype ? "array" : "";
  if (types.isMap(value)) return kind === Map.prototype ? "map" : "";
  if (types.isSet(value)) return kind === Set.prototype ? "set" : "";
  if (types.isTypedArray(value)) return BYTES.has(kind) ? "bytes" : "";
  return (kind === Object.prototype || kind === null) && isWhole(value) ? "object" : "";
}

function bytesOf(value) {
  return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

const PARTS = {
  array: (value) => Array.from(value),
  map: (value) => [...Map.prototype.entries.call(value)].flat(),
  set: (value) => [...Set.prototype.values.call(value)],
  object: (value) => Reflect.ownKeys(value).flatMap((key) => [key, value[key]]),
  bytes: (value) => [bytesOf(value).toString("base64")],
};
const FILL = {
  array: (value, parts) => {
    value.length = 0;
    for (const one of parts) value.push(one);
  },
  map: (value, parts) => {
    Map.prototype.clear.call(value);
    for (let at = 0; at < parts.length; at += 2) Map.prototype.set.call(value, parts[at], parts[at + 1]);
  },
  set: (value, parts) => {
    Set.prototype.clear.call(value);
    for (const one of parts) Set.prototype.add.call(value, one);
  },
  object: (value, parts) => {
    for (const key of Reflect.ownKeys(value)) delete value[key];
    const how = { writable: true, enumerable: true, configurable: true };
    for (let at = 0; at < parts.length; at += 2) Object.defineProperty(value, parts[at], { ...how, value: parts[at + 1] });
  },
  bytes: (value, [text]) => Buffer.from(text, "base64").copy(bytesOf(value)),
};
const MADE = {
  array: () => [],
  map: () => new Map(),
  set: () => new Set(),
  object: (written) => (written.bare ? Object.create(null) : {}),
  bytes: (written) => {
    const kind = BUFFERS.find((one) => one.name === written.kind);
    const bytes = Buffer.from(written.v[0], "base64");
    return kind === Buffer ? bytes : new kind(new Uint8Array(bytes).buffer);
  },
};

/** What both sides know: each object that crossed has a number, and stays the same object. */
class Side {
  constructor(first) {
    this.last = first;
    this.ids = new WeakMap();
    this.symbols = new Map();
    this.objects = new Map();
    this.compared = new Map();
    this.written = new Set();
  }

  /** Gives an object a number. */
  know(value, id = (this.last += 2)) {
    if (typeof value === "symbol") this.symbols.set(value, id);
    else this.ids.set(value, id);
    this.objects.set(id, value);
    return id;
  }

  write(value, depth = 0) {
    if (depth > MOST_DEPTH) throw new RangeError("a value that is nested too deep cannot cross the wall");
    if (value === null || typeof value === "boolean" || typeof value === "string") return value;
    if (typeof value === "number") {
      if (Number.isFinite(value) && !Object.is(value, -0)) return value;
      return { t: "number", v: Object.is(value, -0) ? "-0" : String(value) };
    }
    if (value === undefined || typeof value === "bigint") return { t: typeof value, v: String(value) };
    if (typeof value === "symbol") return this.#symbol(value);
    if (types.isProxy(value) && this.ids.has(value)) return this.again(this.ids.get(value));
    if (typeof value === "object") {
      const tag = tagOf(value, (one) => this.isWhole(one));
      if (tag) return this.#container(tag, value, depth);
      const kind = Object.getPrototypeOf(value);
      if (types.isDate(value) && kind === Date.prototype) return { t: "date", v: Date.prototype.getTime.call(value) };
      if (types.isRegExp(value) && kind === RegExp.prototype) return { t: "regexp", v: [value.source, value.flags] };
      if (kind === URL.prototype) return { t: "url", v: value.href };
    }
    // No name is read first: those of the candidate's errors are asked for.
    if (this.ids.has(value)) return this.again(this.ids.get(value));
    if (typeof value === "function" && NAMED.get(value.name) === value) return { t: "class", v: value.name };
    return types.isNativeError(value) ? this.#error(value, depth) : this.given(value);
  }

  #symbol(value) {
    const name = value.description?.startsWith("Symbol.") ? value.description.slice(7) : "";
    if (name && Symbol[name] === value) return { t: "symbol", v: name };
    if (Symbol.keyFor(value) !== undefined) return { t: "symbol for", v: Symbol.keyFor(value) };
    return { t: "own symbol", v: this.symbols.get(value) ?? this.know(value), name: String(value.description) };
  }

  #container(tag, value, depth) {
    const n = this.ids.get(value) ?? this.know(value);
    if (this.written.has(n)) return { t: "same", v: n };
    this.written.add(n);
    const more = {};
    if (tag === "bytes") more.kind = BYTES.get(Object.getPrototypeOf(value)).name;
    if (Object.getPrototypeOf(value) === null) more.bare = true;
    if (tag !== "bytes" && Object.isFrozen(value)) more.frozen = true;
    return { t: tag, n, v: PARTS[tag](value).map((one) => this.write(one, depth + 1)), ...more };
  }

  #error(value, depth) {
    const n = this.know(value);
    let kind = value;
    while (!ERRORS.some((one) => one.prototype === kind)) kind = Object.getPrototypeOf(kind) ?? Error.prototype;
    const props = Reflect.ownKeys(value).filter((key) => key !== "stack");
    const v = this.tells(value) ? props.flatMap((key) => [key, value[key]]).map((one) => this.write(one, depth + 1)) : [];
    return { t: "error", n, type: kind.constructor.name, v, ...this.kindOf(value) };
  }

  read(written, depth = 0) {
    if (written === null || ["boolean", "number", "string"].includes(typeof written)) return written;
    if (typeof written.t !== "string" || depth > MOST_DEPTH) throw new Broken("an answer has no known form");
    const { t: tag, v } = written;
    if (Object.hasOwn(SIMPLE, tag)) return SIMPLE[tag](v);
    if (tag === "class" && NAMED.has(v)) return NAMED.get(v);
    if (tag === "same" && this.objects.has(v)) return this.objects.get(v);
    if (tag === "own symbol") {
      if (!this.objects.has(v)) this.know(Symbol(String(written.name)), this.checked(v));
      return this.objects.get(v);
    }
    if (tag === "error") return this.#readError(written, depth);
    if (!Object.hasOwn(MADE, tag)) return this.received(written);
    const { n } = written;
    if (!this.objects.has(n)) this.know(MADE[tag](written), this.checked(n));
    const made = this.objects.get(n);
    if (tagOf(made, () => true) !== tag) throw new Broken("an answer has no known form");
    this.#fill(tag, made, tag === "bytes" ? v : v.map((one) => this.read(one, depth + 1)));
    if (written.frozen) Object.freeze(made);
    this.written.add(n);
    return made;
  }

  #readError(written, depth) {
    const made = new (ERRORS.find((one) => one.name === written.type) ?? Error)("");
    this.know(made, this.checked(written.n));
    delete made.message;
    for (let at = 0; at < written.v.length; at += 2) {
      const [key, value] = [0, 1].map((one) => this.read(written.v[at + one], depth + 1));
      const enumerable = !["message", "cause", "errors", "name"].includes(key);
      Object.defineProperty(made, key, { value, writable: true, configurable: true, enumerable });
    }
    this.dress(made, written);
    return made;
  }

  #fill(tag, value, parts) {
    if (!Object.isFrozen(value)) FILL[tag](value, parts);
  }

  /** Returns the containers that were changed since they last crossed, and what is in them. */
  changes() {
    const found = [];
    for (const [id, before] of [...this.compared]) {
      const value = this.objects.get(id);
      const tag = this.written.has(id) ? "" : tagOf(value, () => true);
      const now = tag ? PARTS[tag](value) : before;
      if (now.length === before.length && now.every((one, at) => Object.is(one, before[at]))) continue;
      found.push(this.write(value));
    }
    return found;
  }

  /** Remembers what is in the containers that crossed; the oldest are not compared any more. */
  keep() {
    for (const id of this.written) {
      this.compared.delete(id);
      const value = this.objects.get(id);
      this.compared.set(id, PARTS[tagOf(value, () => true)](value));
    }
    this.written.clear();
    for (const id of this.compared.keys()) if (this.compared.size > MOST_COMPARED) this.compared.delete(id);
  }
}

/** Returns the path of a module behind the wall, from the top; "" for another file. */
function walled(top, names, file) {
  if (!(file + sep).startsWith(top + sep) || (existsSync(file) && statSync(file).isFile())) return "";
  const path = file === top ? "." : `./${relative(top, file)}`;
  const ends = ["", ".js", ".cjs", ".mjs", "/index.js"];
  return names.some((one) => path.startsWith(`${one}/`) || ends.some((end) => path + end === one)) ? path : "";
}

module.exports = { Broken, FUNCTIONS, HOMES, PROTOTYPES, Pipe, Side, learnHomes, parsed, walled };
