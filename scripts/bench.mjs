// Runs a bench that is built for WebAssembly in V8, the engine that Envoy runs plugins in.
//
// usage: node scripts/bench.mjs FILE.wasm [ARGUMENT…]
import { readFile } from "node:fs/promises";
import { WASI } from "node:wasi";

const [file, ...args] = process.argv.slice(2);
if (file === undefined) {
  console.error("usage: node scripts/bench.mjs FILE.wasm [ARGUMENT…]");
  process.exit(2);
}

const wasi = new WASI({ version: "preview1", args: [file, ...args], env: {}, returnOnExit: true });
const module = await WebAssembly.compile(await readFile(file));
const imports = wasi.getImportObject();
// The library brings the plugin along, and that the host calls of proxy-wasm, which no bench makes.
for (const { module: from, name, kind } of WebAssembly.Module.imports(module)) {
  if (kind !== "function" || from in wasi.getImportObject()) continue;
  imports[from] ??= {};
  imports[from][name] = () => {
    throw new Error(`a bench called ${from}.${name}`);
  };
}
const { exports } = await WebAssembly.instantiate(module, imports);
// Of the exports, WASI is to see no more than a command's: the plugin's `_initialize` makes it take this for a reactor.
const code = wasi.start({ exports: { memory: exports.memory, _start: exports._start } });
// What was printed is out. Node 20 may crash while it takes down a module of this size, so it is not given the time to.
if (code === 0) process.kill(process.pid, "SIGKILL");
process.exit(code);
