// The room for JavaScript: runs the candidate's modules, and does what the tests on the other side ask.
//
// Nothing here is trusted by the other side: the candidate's code runs in the same process.
"use strict";
const { openSync, unlinkSync } = require("node:fs");
const { createRequire } = require("node:module");
const { resolve } = require("node:path");
const { pathToFileURL } = require("node:url");
const { format, types } = require("node:util");
const { MessageChannel, Worker, receiveMessageOnPort } = require("node:worker_threads");

const WAIT_MS = 20;
const REST_MS = 3;

// Reads questions in a thread of its own: the candidate's timers run meanwhile.
const READER = `
const { readSync } = require("node:fs");
const { workerData: { fd, port, count } } = require("node:worker_threads");
function read(size) {
  const found = Buffer.alloc(size);
  for (let at = 0, more; at < size; at += more) {
    more = readSync(fd, found, at, size - at);
    if (!more) process.kill(process.pid, "SIGKILL");
  }
  return found;
}
for (;;) {
  port.postMessage(read(read(4).readUInt32BE()).toString());
  Atomics.add(count, 0, 1);
  Atomics.notify(count, 0);
}
`;

// What can be iterated here may always cross.
const ITERATORS = [[][Symbol.iterator](), (async function* () {})()].map((one, at) =>
  [...Array(2 + at)].reduce((found) => Object.getPrototypeOf(found), one),
);

/** An object of the tests. */
class OfTests {}

/** Holds the objects of the candidate that the tests know, by number. */
class CandidateRoom extends Side {
  constructor(reader, writer, top) {
    super(-1);
    this.top = top;
    this.pipe = new Pipe(reader, writer);
    this.described = new Set();
    this.told = new Set();
    this.promises = new Map();
    this.modules = new Map();
    this.asked = [];
    this.left = [];
    this.printed = [];
    this.settled = [];
    this.#read(reader);
  }

  #read(fd) {
    const { port1, port2 } = new MessageChannel();
    this.count = new Int32Array(new SharedArrayBuffer(4));
    this.taken = 0;
    this.port = port1;
    const workerData = { fd, port: port2, count: this.count };
    new Worker(READER, { eval: true, execArgv: [], env: {}, workerData, transferList: [port2] });
    port1.on("message", (text) => this.#take(text));
  }

  #take(text) {
    this.taken += 1;
    this.#answer(JSON.parse(text));
  }

  /** Reads the next frame, without the timers of the candidate. */
  #receive() {
    for (;;) {
      const found = receiveMessageOnPort(this.port);
      if (found) {
        this.taken += 1;
        return JSON.parse(found.message);
      }
      Atomics.wait(this.count, 0, this.taken);
    }
  }

  /** Asks the tests to call a function, or for the next item; answers questions meanwhile. */
  ask(asked, ...given) {
    if (!this.asked.length) {
      // The candidate goes on by itself: the next question of the tests waits for it.
      const frame = this.#receive();
      this.left.push(frame);
      this.asked.push(frame.q);
      setImmediate(() => this.left.splice(0).forEach((one) => (this.asked.pop(), this.#answer(one))));
    }
    this.#send({ ...asked, given: given.map((one) => this.write(one)), q: this.asked.at(-1) });
    for (;;) {
      const frame = this.#receive();
      if (frame.do) {
        this.#answer(frame, true);
        continue;
      }
      const is = "raise" in frame ? "raise" : "value";
      const found = this.read(frame[is]);
      this.#changed(frame);
      if (is === "raise") throw found;
      return found;
    }
  }

  #changed(frame) {
    for (const one of frame.changed) this.read(one);
    this.keep();
  }

  #answer(frame, isNested = false) {
    const args = frame.args.map((one) => this.read(one));
    this.#changed(frame);
    this.asked.push(frame.q);
    let value;
    try {
      value = this[`_${frame.do}`](...args);
    } catch (fault) {
      return this.#reply({ raise: fault });
    }
    if (frame.do === "import")
      return value.then((one) => this.#reply({ value: one }), (one) => this.#reply({ raise: one }));
    if (frame.do === "wait" && !isNested && !this.settled.length) return this.#wait();
    return this.#reply({ value });
  }

  #wait() {
    const timers = [REST_MS, WAIT_MS].map((ms) => setTimeout(() => this.woken(ms === REST_MS), ms).unref());
    this.woken = (ifIdle) => {
      if (ifIdle && !this.#isIdle()) return;
      timers.forEach(clearTimeout);
      this.woken = undefined;
      this.#reply({ value: this.#isIdle() });
    };
  }

  #isIdle() {
    // Beside the port of the questions, and standard input and output.
    return process.getActiveResourcesInfo().filter((one) => one !== "PipeWrap").length <= 1;
  }

  #reply(answer) {
    const [[is, value]] = Object.entries(answer);
    const q = this.asked.pop();
    try {
      this.#send({ [is]: this.write(value), q });
    } catch (fault) {
      this.written.clear();
      this.#send({ raise: this.write(fault), q });
    }
  }

  #send(frame) {
    const settled = this.settled.splice(0).map(([id, is, one]) => [id, is, this.write(one)]);
    const exports = [];
    for (const [found, before] of this.modules)
      for (const name of Object.keys(found))
        if (isBound(found, name) && !Object.is(found[name], before[name])) {
          before[name] = found[name];
          exports.push([this.ids.get(found), name, this.write(found[name])]);
        }
    const more = { settled, exports, printed: this.printed.splice(0), changed: this.changes() };
    for (const name of Object.keys(more)) if (more[name].length) frame[name] = more[name];
    if (!this.#isIdle()) frame.busy = true;
    this.pipe.send(frame);
    this.keep();
  }

  // What the tests ask.

  _require(path) {
    return this.#whole(createRequire(`${this.top}/`)(resolve(this.top, path)));
  }

  async _import(path) {
    const [file, search = ""] = path.split(/(?=\?)/);
    const found = await import(pathToFileURL(resolve(this.top, file)).href + search);
    if (!this.modules.has(found)) {
      const bound = Object.keys(found).filter((name) => isBound(found, name));
      this.modules.set(found, Object.fromEntries(bound.map((name) => [name, found[name]])));
    }
    return found;
  }

  /** Lets the names of a module stay where they are. */
  #whole(value) {
    if (value && Object.getPrototypeOf(value) === Object.prototype && !this.ids.has(value)) this.described.add(this.know(value));
    return value;
  }

  _get(target, key, receiver) {
    const found = Reflect.get(Object(target), key, receiver);
    return key === "default" && this.modules.has(target) ? this.#whole(found) : found;
  }

  _set(target, key, value) {
    return Reflect.set(target, key, value);
  }

  _define(target, key, value, get, enumerable) {
    const what = get ? { get } : { value, writable: true };
    return Reflect.defineProperty(target, key, { ...what, enumerable, configurable: true });
  }

  _has(target, key) {
    return Reflect.has(target, key);
  }

  _delete(target, key) {
    return Reflect.deleteProperty(target, key);
  }

  _keys(target) {
    return Reflect.ownKeys(target);
  }

  _own(target, key) {
    const found = Reflect.getOwnPropertyDescriptor(target, key);
    return found && [target[key], found.enumerable];
  }

  _call(act, self, ...args) {
    return Reflect.apply(act, self, args);
  }

  _new(kind, ...args) {
    return Reflect.construct(kind, args);
  }

  _derive(base, name, methods) {
    const made = { [name]: class extends base {} }[name];
    for (const [key, value] of methods)
      Object.defineProperty(made.prototype, key, { value, writable: true, configurable: true });
    return made;
  }

  _settle(id, isGood, value) {
    const { resolve, reject } = this.promises.get(id);
    (isGood ? resolve : reject)(value);
  }

  _wait() {
    return false;
  }

  // How values cross.

  isWhole(value) {
    if (this.ids.has(value)) return !this.described.has(this.ids.get(value));
    return Object.values(Object.getOwnPropertyDescriptors(value)).every(
      (one) => one.enumerable && "value" in one && typeof one.value !== "function",
    );
  }

  again(v) {
    if (!this.described.has(v)) return { t: "same", v };
    return this.told.has(v) ? { t: "room", v } : this.#told(this.objects.get(v), v);
  }

  tells() {
    return true;
  }

  kindOf(value) {
    const proto = Object.getPrototypeOf(value);
    return isBuiltIn(proto) ? {} : { proto: this.#proto(proto), kind: nameOf(value) };
  }

  given(value) {
    const v = this.know(value);
    if (types.isPromise(value)) {
      const settle = (how) => (one) => {
        this.settled.push([v, how, one]);
        this.woken?.();
      };
      Promise.prototype.then.call(value, settle("value"), settle("raise"));
      return { t: "promise", v };
    }
    this.described.add(v);
    return this.#told(value, v);
  }

  #told(value, v) {
    this.told.add(v);
    const shape = typeof value === "function" ? "function" : Array.isArray(value) ? "array" : "object";
    return { t: "room", v, shape, kind: nameOf(value), proto: this.#proto(Object.getPrototypeOf(value)) };
  }

  #proto(proto) {
    if (proto === null) return null;
    if (isBuiltIn(proto)) return { t: "builtin", v: proto.constructor.name };
    return this.ids.has(proto) ? this.again(this.ids.get(proto)) : this.given(proto);
  }

  checked(id) {
    return id;
  }

  dress() {}

  received(written) {
    const { t: tag, v } = written;
    const made = this.#standsFor(tag, v, written);
    this.know(made, v);
    return made;
  }

  /** Returns what stands here for an object of the tests, which nothing can look into. */
  #standsFor(tag, v, { name, length, way, home }) {
    const room = this;
    if (tag === "home") return ofNode(...home);
    if (tag === "promise") return new Promise((resolve, reject) => this.promises.set(v, { resolve, reject }));
    if (tag === "items") {
      let last = 0;
      const items = () => {
        const cursor = (last += 1);
        return { next: () => room.ask({ next: v, cursor }, undefined), [Symbol[way]]() { return this; } };
      };
      return Object.assign(new OfTests(), { [Symbol[way]]: items });
    }
    if (tag !== "call") return new OfTests();
    const made = function (...args) {
      return room.ask({ call: v }, this, ...args);
    };
    return Object.defineProperties(made, { name: { value: name }, length: { value: length } });
  }
}

/** Returns what Node.js has by itself in a place. */
function ofNode(place, ...names) {
  const found = { global: globalThis, functions: FUNCTIONS }[place] ?? require(place);
  const made = names.reduce((one, name) => one[name], found);
  HOMES.set(made, [place, ...names]);
  return made;
}

function isBound(found, name) {
  try {
    return name in found && (found[name], true);
  } catch {
    return false; // not yet initialized
  }
}

function isBuiltIn(proto) {
  const name = proto?.constructor?.name;
  return typeof name === "string" && PROTOTYPES.get(name) === proto;
}

function nameOf(value) {
  if (ITERATORS.some((one) => Object.prototype.isPrototypeOf.call(one, value))) return "";
  for (let one = value; one; one = Object.getPrototypeOf(one)) {
    const found = Object.getOwnPropertyDescriptor(one, "constructor")?.value;
    if (typeof found === "function" && found.name) return found.name;
  }
  return "Object";
}

function isSimple(value) {
  return ["string", "boolean"].includes(typeof value) || Number.isFinite(value);
}

/** Lets the tests print what the candidate prints. */
function capture(printed) {
  for (const name of ["log", "info", "debug", "warn", "error"])
    console[name] = (...args) => void printed.push([name, ...(args.every(isSimple) ? args : [format(...args)])]);
  for (const name of ["stdout", "stderr"])
    process[name].write = (text, ...more) => {
      printed.push([name, String(text)]);
      more.at(-1)?.call?.();
      return true;
    };
}

function main([folder, name]) {
  const paths = ["ask", "answer"].map((one) => `${folder}/${name}.${one}`);
  const room = new CandidateRoom(openSync(paths[0], "r"), openSync(paths[1], "w"), folder);
  // The candidate's tree is as it was.
  paths.forEach((one) => unlinkSync(one));
  process.argv.splice(1);
  capture(room.printed);
  // Another end would wait for the thread that reads.
  process.reallyExit = () => process.kill(process.pid, "SIGKILL");
  process.on("exit", process.reallyExit);
}

main(process.argv.slice(2));
