// In the tests' sandbox: leaves out unit tests of node:test, and notes how the others end.
"use strict";
const { createHook } = require("node:async_hooks");
const { appendFileSync, realpathSync } = require("node:fs");
const { relative } = require("node:path");

const { ATTRACTOR_WALL: folder, ATTRACTOR_WALL_TESTS: tests, ATTRACTOR_WALL_WITHOUT: names } = process.env;
const LONGEST = 300;
const top = realpathSync(tests);

/** Notes a line for each event, which stays where the process ends early. */
function note(kind, test, words = "") {
  appendFileSync(`${folder}/tests-${process.pid}.jsonl`, `${JSON.stringify([kind, test, words])}\n`);
}

function nameOf(test) {
  const found = [];
  for (let one = test; one.parent; one = one.parent) found.unshift(one.name);
  return `${relative(top, process.argv[1] ?? "")}: ${found.join(" > ")}`;
}

function reasonOf(fault) {
  const lines = String(fault?.stack).split(`${top}/`).slice(1);
  const place = lines.map((one) => /^(?!\.wall-)(.+?:\d+):\d+/.exec(one)).find(Boolean);
  return `${place ? `${place[1]}: ` : ""}${String(fault).trim().slice(0, LONGEST)}`;
}

/** Watches all tests, which have the methods of `proto`. */
function watch(proto) {
  const { run, fail } = proto;
  // Not a hook, a suite, or a file.
  const isTest = (one) => Object.getPrototypeOf(one) === proto && one.parent;
  proto.run = async function (...given) {
    if (!isTest(this)) return run.apply(this, given);
    const test = nameOf(this);
    const left = JSON.parse(names).filter((name) => [": ", " > "].some((mark) => `: ${test}`.endsWith(mark + name)));
    for (const name of left) note("left", test, name);
    if (left.length) {
      this.fn = () => {};
      this.skip("left out of the wall");
      return run.apply(this, given);
    }
    // If the process ends in a test, those around it are not to blame.
    if (isTest(this.parent)) note("ended", nameOf(this.parent));
    note("began", test);
    return run.apply(this, given).finally(() => note("ended", test));
  };
  proto.fail = function (fault) {
    // The tests in it say why themselves.
    const isOwn = isTest(this) && fault?.failureType !== "subtestsFailed";
    if (isOwn) note("failed", nameOf(this), reasonOf(fault?.cause ?? fault));
    return fail.call(this, fault);
  };
}

const hook = createHook({
  init(id, type, trigger, resource) {
    if (type !== "Test") return;
    let proto = resource;
    while (proto && !["run", "fail"].every((one) => Object.hasOwn(proto, one))) proto = Object.getPrototypeOf(proto);
    if (proto) watch(proto);
    if (proto) hook.disable();
  },
}).enable();
