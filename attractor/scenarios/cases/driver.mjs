// Does what each line of its input asks of a module, and prints the answer: in Node.js from 18.
// The candidate's code can forge each answer, but knows no expected value.
import { readFileSync, writeSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const out = (line) => writeSync(1, line + "\n");
// What the candidate prints is no answer.
for (const name of ["log", "info", "debug"]) console[name] = console.error;
process.stdout.write = process.stderr.write.bind(process.stderr);

const TEXTS = { float: Number, bytes: (of) => Buffer.from(of, "hex"), date: (of) => new Date(of), bigint: BigInt };

function read(value, objects) {
  if (Array.isArray(value)) return value.map((one) => read(one, objects));
  if (value === null || typeof value !== "object") return value;
  if (!("$" in value))
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, read(one, objects)]));
  const { $: kind, of } = value;
  if (kind === "object") return objects[of];
  if (kind === "undefined") return undefined;
  if (kind === "set") return new Set(read(of, objects));
  if (kind === "dict") return new Map(read(of, objects));
  return TEXTS[kind](of);
}

function write(value) {
  if (value === undefined) return { $: "undefined", of: null };
  if (value === null || ["boolean", "string"].includes(typeof value)) return value;
  if (typeof value === "number")
    return Number.isFinite(value) ? value : { $: "float", of: { NaN: "nan", Infinity: "inf" }[value] ?? "-inf" };
  if (typeof value === "bigint") return { $: "bigint", of: String(value) };
  if (Array.isArray(value)) return value.map(write);
  const kind = Object.getPrototypeOf(value);
  if (kind === Object.prototype && !("$" in value))
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, write(one)]));
  if (kind === Set.prototype) return { $: "set", of: [...value].map(write) };
  if (kind === Map.prototype) return { $: "dict", of: [...value].map((pair) => pair.map(write)) };
  if (kind === Date.prototype) return { $: "date", of: value.toISOString() };
  if (kind === Buffer.prototype) return { $: "bytes", of: value.toString("hex") };
  return { $: "object", of: kind?.constructor?.name ?? "" };
}

function names(error) {
  const found = [];
  for (let kind = error; kind && kind !== Object.prototype; kind = Object.getPrototypeOf(kind))
    if (Object.hasOwn(kind, "constructor")) found.push(String(kind.constructor?.name));
  return found.length ? found : [typeof error];
}

async function answer(steps, module) {
  const objects = {};
  try {
    let value = await module;
    for (const step of steps) {
      const target = "on" in step ? objects[step.on] : await module;
      const path = (step.call ?? step.get).split(".");
      const last = path.pop();
      const owner = path.reduce((one, name) => one[name], target);
      if ("get" in step) value = await owner[last];
      else {
        const args = (step.args ?? []).map((one) => read(one, objects));
        value = await (step.new ? new owner[last](...args) : owner[last](...args));
      }
      if ("as" in step) objects[step.as] = value;
    }
    return { value: write(value) };
  } catch (error) {
    return { raises: names(error), message: String(error?.message ?? error) };
  }
}

const module = import(pathToFileURL(resolve(process.env.ATTRACTOR_MODULE)).href).then((found) =>
  // A CommonJS module.
  found.default && Object.keys(found).length <= 2 && typeof found.default === "object" ? found.default : found,
);
module.catch(() => {});
for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const asked = JSON.parse(line);
  out(JSON.stringify({ id: asked.id, ...(await answer(asked.do, module)) }));
}
process.exit(0);
