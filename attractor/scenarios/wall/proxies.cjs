// The tests' side of the wall for JavaScript: stands for the candidate's modules, which run in the room.
//
// A proxy asks the room and checks each answer. If the room breaks a rule, the process ends at once
// with 70, and says why: no test can pass by it.
"use strict";
const { AsyncLocalStorage, createHook, executionAsyncId } = require("node:async_hooks");
const { randomBytes } = require("node:crypto");
const fs = require("node:fs");
const Module = require("node:module");
const { dirname, relative, resolve } = require("node:path");
const { pathToFileURL } = require("node:url");
const { types } = require("node:util");
const { MessageChannel, isMainThread } = require("node:worker_threads");
const { Broken, HOMES, PROTOTYPES, Pipe, Side, learnHomes, walled } = require("./values.cjs");

const { appendFileSync, constants, existsSync, openSync, closeSync, renameSync, writeFileSync, writeSync } = fs;
const later = setImmediate;
const end = process.reallyExit.bind(process);
const BROKEN = 70;
const PATIENCE_MS = 60_000;
const OWN = new Set(["call", "apply", "bind"]);
// What the language asks for by itself, or what tells the candidate nothing.
const FREE = new Set([
  ..."constructor prototype next return throw".split(" "),
  ...[Symbol.iterator, Symbol.asyncIterator, Symbol.toStringTag, Symbol.species, Symbol.isConcatSpreadable],
]);
const SHAPES = {
  function: () => function () {},
  array: () => [],
  object: () => ({}),
};

/** Finds the test that is at work: node:test makes an asynchronous resource for each. */
class TestAtWork {
  #tests = new Map();
  #given = new AsyncLocalStorage();

  constructor(top) {
    this.file = relative(top, process.argv[1] ?? "");
    createHook({
      init: (id, type, trigger, resource) => {
        const own = type === "Test" ? resource : this.#tests.get(executionAsyncId()) ?? this.#tests.get(trigger);
        if (own) this.#tests.set(id, own);
      },
      destroy: (id) => this.#tests.delete(id),
    }).enable();
  }

  get name() {
    const names = [];
    for (let one = this.#tests.get(executionAsyncId()); one?.parent; one = one.parent) names.unshift(one.name);
    return this.#given.getStore() ?? `${this.file}: ${names.join(" > ") || "the file"}`;
  }

  /** Does something for a test that has asked before. */
  during(name, act) {
    return this.#given.run(name, act);
  }
}

/** Asks the room, one question at a time. */
class AskedWall extends Side {
  constructor(folder, top) {
    super(0);
    this.folder = folder;
    this.work = new TestAtWork(top);
    this.kinds = new Map();
    this.modules = new Set();
    this.returned = new WeakSet();
    this.passed = new Map();
    this.cursors = new Map();
    this.listed = new Map();
    this.pending = new Map();
    this.live = new Map();
    this.local = new WeakSet();
    this.crossed = new Map();
    this.plain = new Map();
    const allowed = `${folder}/allowed.json`;
    this.allowed = existsSync(allowed) ? JSON.parse(fs.readFileSync(allowed, "utf8")) : null;
  }

  // Questions.

  ask(act, ...args) {
    try {
      const q = randomBytes(8).toString("hex");
      const asked = { do: act, args: args.map((one) => this.write(one)), q };
      this.#sent(asked);
      for (;;) {
        const answer = this.pipe.receive();
        if (answer.q !== q) throw new Broken("an answer came to no question");
        this.#print(answer.printed ?? []);
        if (!("call" in answer) && !("next" in answer)) return this.#result(answer, act);
        this.#sent(this.#called(answer));
      }
    } catch (fault) {
      if (fault instanceof Broken) this.broken(fault.message);
      throw fault;
    } finally {
      this.written.clear();
    }
  }

  /** Ends the tests: no test passes by a broken rule. */
  broken(why) {
    // The names in it are the candidate's.
    const line = `${why.slice(0, 300).replace(/[^ -~]/g, "?")}, in ${this.work.name}\n`;
    try {
      writeSync(2, `the wall: ${line}`);
      appendFileSync(`${this.folder}/broken`, line);
    } finally {
      end(BROKEN);
    }
  }

  #sent(frame) {
    this.pipe ??= this.#opened();
    frame.changed = this.changes();
    this.pipe.send(frame);
    this.keep();
  }

  /** Asks for a room of this process, and opens both pipes once it is there. */
  #opened() {
    process.on("exit", () => this.#ended());
    const name = `js-${randomBytes(8).toString("hex")}`;
    fs.appendFileSync(`${this.folder}/knock`, `${name}\n`);
    const paths = ["ask", "answer"].map((one) => `${this.folder}/${name}.${one}`);
    for (const until = Date.now() + PATIENCE_MS; Date.now() < until; ) {
      try {
        const first = openSync(paths[0], constants.O_WRONLY | constants.O_NONBLOCK);
        const writer = openSync(paths[0], "w");
        closeSync(first);
        return new Pipe(openSync(paths[1], "r"), writer);
      } catch {
        if (existsSync(`${this.folder}/${name}.gone`)) break;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2);
      }
    }
    throw new Broken("the process of the candidate did not start");
  }

  #print(printed) {
    for (const [where, ...args] of printed) {
      if (!args.every((one) => typeof one !== "object")) throw new Broken("an answer cannot be read");
      if (["stdout", "stderr"].includes(where)) process[where].write(String(args[0]));
      else if (["log", "info", "debug", "warn", "error"].includes(where)) console[where](...args);
      else throw new Broken("an answer cannot be read");
    }
  }

  /** Does what the room may ask: call what a test passed, or take the next of it. */
  #called(frame) {
    const id = frame.call ?? frame.next;
    const [kind, target] = this.passed.get(id) ?? [];
    if (kind !== ("call" in frame ? "call" : "items")) throw new Broken("the candidate asked for what no test passed");
    const [given, ...args] = this.#read(() => frame.given.map((one) => this.read(one)), frame);
    try {
      const value = kind === "call" ? Reflect.apply(target, given, args) : this.#next(id, frame.cursor, target);
      return { value: this.write(value) };
    } catch (fault) {
      if (fault instanceof Broken) throw fault;
      this.#note(fault);
      this.written.clear();
      return { raise: this.write(fault) };
    }
  }

  #next(id, cursor, target) {
    const key = `${id} ${cursor}`;
    if (!this.cursors.has(key)) this.cursors.set(key, (target[Symbol.iterator] ?? target[Symbol.asyncIterator]).call(target));
    return this.cursors.get(key).next();
  }

  /** Notes a failed assertion: it fails the test, even if the candidate catches it. */
  #note(fault) {
    if (isAssertion(fault)) this.failed ??= [fault];
  }

  #read(read, frame) {
    try {
      const value = read();
      for (const one of frame.changed ?? []) this.read(one);
      this.keep();
      return value;
    } catch (fault) {
      throw fault instanceof Broken ? fault : new Broken(`an answer cannot be read: ${fault?.name}`);
    }
  }

  #result(answer, act) {
    this.importing = act === "import" || act === "require";
    const settled = [];
    const is = "raise" in answer ? "raise" : "value";
    if (!(is in answer)) throw new Broken("an answer has neither a value nor an exception");
    const value = this.#read(() => {
      const found = this.read(answer[is]);
      for (const [id, how, one] of answer.settled ?? []) {
        const taken = this.#taken(id);
        settled.push([taken, how, this.work.during(taken.test, () => this.read(one))]);
      }
      for (const [id, name, one] of answer.exports ?? []) this.live.get(this.objects.get(id))?.[name]?.(this.read(one));
      return found;
    }, answer);
    if (this.importing && is === "value") this.modules.add(value);
    this.importing = false;
    for (const [one, how, found] of settled) {
      this.#tell(one.test, how === "raise" || (found !== undefined && !this.#isHandle(found)));
      if (how === "raise") one.reject(found);
      else one.resolve(found);
    }
    if (act !== "wait" && (this.pending.size || answer.busy)) this.#wait();
    if (this.failed) {
      const [failed] = this.failed;
      this.failed = undefined;
      // Where something else catches it, the tests fail at their end.
      this.isCaught ||= is !== "raise" || value !== failed;
      throw failed;
    }
    const isAsked = ["call", "new", "get", "own"].includes(act);
    this.#tell(this.work.name, is === "raise" || (isAsked && value !== undefined && !this.#isHandle(value)));
    if (is === "raise") throw value;
    return value;
  }

  #isHandle(value) {
    return types.isProxy(value) || types.isPromise(value);
  }

  #tell(test, isData) {
    this.plain.set(test, isData || (this.plain.get(test) ?? false));
  }

  // Promises.

  #taken(id) {
    const one = this.pending.get(id);
    if (!one) throw new Broken("a promise was settled that none waits for");
    this.pending.delete(id);
    return one;
  }

  /** Lets the candidate go on while its timers run or promises are not settled. */
  #wait() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    const { name } = this.work;
    const again = () => {
      this.isWaiting = !this.work.during(name, () => this.ask("wait"));
      // As without the wall, a promise that nothing can settle keeps no process.
      if (this.isWaiting) later(again);
    };
    later(again);
  }

  #ended() {
    for (const { test } of this.pending.values())
      this.work.during(test, () => this.#cross("Promise pending", "a promise that was never settled"));
    if (this.failed || this.isCaught) this.broken("a failed assertion was caught");
    const found = {};
    for (const [test, data] of this.plain) found[test] = { classes: [...(this.crossed.get(test) ?? [])].sort(), data };
    const name = `${this.folder}/crossed-${process.pid}`;
    writeFileSync(name, JSON.stringify(found));
    renameSync(name, `${name}.json`);
  }

  // Values that go over.

  isWhole() {
    return true;
  }

  again(v) {
    return { t: "same", v };
  }

  tells(fault) {
    return !isAssertion(fault);
  }

  kindOf() {
    return {};
  }

  given(value) {
    const v = this.know(value);
    if (HOMES.has(value)) return { t: "home", v, home: HOMES.get(value) };
    if (typeof value === "function") {
      this.passed.set(v, ["call", value]);
      return { t: "call", v, name: String(value.name), length: Number(value.length) };
    }
    if (types.isPromise(value)) {
      value.then(
        (one) => this.ask("settle", v, true, one),
        (fault) => (this.#note(fault), this.ask("settle", v, false, fault)),
      );
      return { t: "promise", v };
    }
    const way = ["iterator", "asyncIterator"].find((one) => typeof value[Symbol[one]] === "function");
    if (way) this.passed.set(v, ["items", value]);
    return { t: way ? "items" : "test", v, way };
  }

  // Values that come.

  checked(id) {
    if (!Number.isSafeInteger(id) || id % 2 !== 1 || this.objects.has(id)) throw new Broken("an answer has no known form");
    return id;
  }

  received(written) {
    const { t: tag, v } = written;
    if (tag === "promise") {
      const made = new Promise((resolve, reject) => this.pending.set(v, { resolve, reject, test: this.work.name }));
      this.know(made, this.checked(v));
      return made;
    }
    if (tag !== "room") throw new Broken("an answer has no known form");
    if (!this.objects.has(v)) this.#made(written);
    if (this.kinds.get(v) && !this.importing) this.#cross(this.kinds.get(v), `an object of ${this.kinds.get(v)}`);
    if (!this.importing) this.returned.add(this.objects.get(v));
    return this.objects.get(v);
  }

  #made({ v, shape, kind, proto }) {
    this.checked(v);
    const handle = new Handle(this, shape, this.#prototype(proto));
    const made = (handle.self = new Proxy(SHAPES[shape](), handle));
    this.kinds.set(v, shape === "function" ? "" : String(kind));
    return this.objects.get(this.know(made, v));
  }

  #prototype(written) {
    if (written === null) return null;
    if (written.t === "builtin" && PROTOTYPES.has(written.v)) return PROTOTYPES.get(written.v);
    if (this.objects.has(written.v)) return this.objects.get(written.v);
    if (written.t !== "room") throw new Broken("an answer has no known form");
    return this.#made({ ...written, kind: "" });
  }

  /** Gives an exception the class that it has in the room. */
  dress(made, { proto, kind }) {
    if (proto === undefined) return;
    this.#cross(String(kind), `an object of ${kind}`);
    Object.setPrototypeOf(made, this.#prototype(proto));
  }

  // What may cross.

  /** Notes what crosses, and ends the tests if no reference gave it in this test. */
  #cross(what, words) {
    const test = this.work.name;
    if (!this.crossed.has(test)) this.crossed.set(test, new Set());
    this.crossed.get(test).add(what);
    if (!this.plain.has(test)) this.plain.set(test, false);
    if (this.allowed && !(this.allowed[test] ?? []).includes(what))
      this.broken(`${words}, which no reference gave here`);
  }

  /** Notes that the tests ask for an attribute: a method may get an expected value. */
  attribute(target, key) {
    const isOfModule = this.modules.has(target) && !this.returned.has(target);
    if (FREE.has(key) || isOfModule || this.listed.get(target)?.has(key)) return;
    this.#cross(`.${String(key)}`, `an attribute ${String(key)}`);
  }

  /** Notes a class of which everything is, or every error. */
  everything(name) {
    this.#cross(name, `the class ${name}`);
  }

  /** Notes that a function of the candidate is called for an object of this side, mostly a method of it. */
  method(act, self) {
    if (self === null || typeof self !== "object" || types.isProxy(self)) return;
    const all = Object.getOwnPropertyDescriptors(self);
    const keys = Reflect.ownKeys(all).filter((key) => all[key].value === act);
    if (!keys.length) this.#cross("()", "a call with an object");
    for (const key of keys) this.#cross(`.${String(key)}`, `an attribute ${String(key)}`);
  }

  /** Returns the class in the room for one of the tests, whose methods call back. */
  derived(kind, base) {
    if (this.ids.has(kind)) return kind;
    const methods = [];
    for (const one of chain(kind.prototype))
      for (const [key, { value }] of Object.entries(Object.getOwnPropertyDescriptors(one)))
        if (typeof value === "function" && key !== "constructor") methods.push([key, value]);
    const made = this.ask("derive", base, kind.name, new Map(methods.reverse()));
    for (const [mine, theirs] of [[kind, made], [kind.prototype, this.ask("get", made, "prototype")]]) {
      const id = this.ids.get(theirs);
      this.objects.set(id, mine);
      this.ids.set(mine, id);
    }
    this.local.add(kind.prototype);
    return kind;
  }
}

/** Stands for an object of the candidate. */
class Handle {
  #wall;
  #shape;
  #prototype;

  constructor(wall, shape, prototype) {
    this.#wall = wall;
    this.#shape = shape;
    this.#prototype = prototype;
  }

  get(target, key, receiver) {
    const isCallable = this.#shape === "function";
    if (isCallable && (OWN.has(key) || key === Symbol.hasInstance)) return Function.prototype[key];
    if (this.#wall.local.has(this.#prototype))
      for (const one of chain(this.#prototype)) if (Object.hasOwn(one, key)) return Reflect.get(one, key, receiver);
    if (key !== "then") this.#wall.attribute(this.self, key);
    const found = this.#wall.ask("get", this.self, key, this.#wall.ids.has(receiver) ? receiver : this.self);
    // Each await asks for it.
    if (key === "then" && found !== undefined) this.#wall.attribute(this.self, key);
    if ((found === Object || found === Error) && key !== "constructor") this.#wall.everything(found.name);
    return found;
  }

  set(target, key, value, receiver) {
    if (types.isProxy(receiver)) return this.#wall.ask("set", this.self, key, value) === true;
    return Reflect.defineProperty(receiver, key, { value, writable: true, enumerable: true, configurable: true });
  }

  has(target, key) {
    this.#wall.attribute(this.self, key);
    return Boolean(this.#wall.ask("has", this.self, key)) || Reflect.has(target, key);
  }

  deleteProperty(target, key) {
    return this.#wall.ask("delete", this.self, key) === true && Reflect.deleteProperty(target, key);
  }

  ownKeys(target) {
    const keys = this.#wall.ask("keys", this.self).filter((one) => ["string", "symbol"].includes(typeof one));
    this.#wall.listed.set(this.self, new Set(keys));
    return [...new Set([...keys, ...Reflect.ownKeys(target).filter((one) => this.#isFixed(target, one))])];
  }

  getOwnPropertyDescriptor(target, key) {
    if (this.#isFixed(target, key)) return { ...Reflect.getOwnPropertyDescriptor(target, key), value: this.get(target, key, this.self) };
    const found = this.#wall.ask("own", this.self, key);
    if (!Array.isArray(found)) return undefined;
    if (!this.#wall.listed.get(this.self)?.has(key)) this.#wall.attribute(this.self, key);
    return { value: found[0], enumerable: found[1] === true, writable: true, configurable: true };
  }

  defineProperty(target, key, { value, get, enumerable = false }) {
    return this.#wall.ask("define", this.self, key, value, get, enumerable) === true;
  }

  getPrototypeOf() {
    return this.#prototype;
  }

  setPrototypeOf() {
    return false;
  }

  preventExtensions() {
    return false;
  }

  apply(target, self, args) {
    this.#wall.method(this.self, self);
    return this.#wall.ask("call", this.self, self, ...args);
  }

  construct(target, args, kind) {
    return this.#wall.ask("new", kind === this.self ? kind : this.#wall.derived(kind, this.self), ...args);
  }

  #isFixed(target, key) {
    return Reflect.getOwnPropertyDescriptor(target, key)?.configurable === false;
  }
}

/** Yields the prototypes that the tests define, from the last one to that of a class of the candidate. */
function* chain(prototype) {
  for (let one = prototype; one && !types.isProxy(one); one = Object.getPrototypeOf(one)) yield one;
}

function isAssertion(fault) {
  return types.isNativeError(fault) && (fault.code === "ERR_ASSERTION" || fault.name === "AssertionError");
}

/** Puts the modules with these paths behind the wall. */
function install(folder, names, top) {
  learnHomes();
  const wall = new AskedWall(folder, top);
  const load = Module._load;
  Module._load = function (request, parent, ...more) {
    const file = /^(\.{0,2}\/|\.{1,2}$)/.test(request) && parent?.filename ? resolve(dirname(parent.filename), request) : "";
    const path = file && walled(top, names, file);
    return path ? wall.ask("require", path) : load.call(this, request, parent, ...more);
  };
  const { port1, port2 } = new MessageChannel();
  port1.on("message", ({ id, path }) => {
    let found = [];
    try {
      found = Reflect.ownKeys(wall.ask("import", path)).filter((one) => typeof one === "string");
    } catch {
      // The module says why when it is executed.
    }
    port1.postMessage({ id, names: found });
  });
  port1.unref();
  const data = { port: port2, names, top };
  Module.register("./hooks.mjs", { parentURL: pathToFileURL(__filename), data, transferList: [port2] });
  process[Symbol.for("attractor.wall")] = (path, setters) => {
    const found = wall.ask("import", path);
    wall.live.set(found, setters);
    for (const name of Object.keys(setters)) setters[name](found[name]);
  };
}

const { ATTRACTOR_WALL: folder, ATTRACTOR_WALL_MODULES: names, ATTRACTOR_WALL_TESTS: top } = process.env;
// The process that starts one for each file of tests imports none of them.
const startsOthers = process.execArgv.includes("--test") && !process.execArgv.some((one) => one.includes("isolation"));
// The thread of the hooks loads this file, too.
if (folder && isMainThread && !startsOthers) install(folder, names.split(","), fs.realpathSync(top));
