// Loads modules behind the wall as modules of the same names, which ask the room.
import { fileURLToPath } from "node:url";
import values from "./values.cjs";

let wall;
let last = 0;
const waiting = new Map();

export function initialize(data) {
  wall = data;
  wall.port.on("message", ({ id, names }) => {
    waiting.get(id)(names);
    waiting.delete(id);
    if (!waiting.size) wall.port.unref();
  });
  wall.port.unref();
}

function pathOf(url) {
  if (!url.startsWith("file:")) return "";
  const { href, search } = new URL(url);
  const path = values.walled(wall.top, wall.names, fileURLToPath(href));
  return path && path + search;
}

export async function resolve(specifier, context, next) {
  if (/^(\.{0,2}\/|file:)/.test(specifier) && context.parentURL?.startsWith("file:")) {
    const { href } = new URL(specifier, context.parentURL);
    if (pathOf(href)) return { url: href, format: "module", shortCircuit: true };
  }
  return next(specifier, context);
}

export async function load(url, context, next) {
  const path = pathOf(url);
  if (!path) return next(url, context);
  const id = (last += 1);
  const names = await new Promise((found) => {
    waiting.set(id, found);
    wall.port.ref();
    wall.port.postMessage({ id, path });
  });
  return { format: "module", shortCircuit: true, source: sourceOf(path, names) };
}

function sourceOf(path, names) {
  const setters = names.map((name, at) => `[${JSON.stringify(name)}]: (value) => { v${at} = value; }`);
  const exported = names.map((name, at) => `v${at} as ${JSON.stringify(name)}`);
  return `
${names.map((_, at) => `let v${at};`).join("\n")}
process[Symbol.for("attractor.wall")](${JSON.stringify(path)}, {${setters.join(", ")}});
export { ${exported.join(", ")} };
`;
}
