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
const instance = await WebAssembly.instantiate(module, wasi.getImportObject());
const code = wasi.start(instance);
// What was printed is out. Node 20 may crash while it takes down a module of this size, so it is not given the time to.
if (code === 0) process.kill(process.pid, "SIGKILL");
process.exit(code);
