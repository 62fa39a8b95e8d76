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
let memory;
// The clock is the processor's time that this process has had: what else the machine does is none of the bench's business.
imports.wasi_snapshot_preview1.clock_time_get = (_clock, _precision, at) => {
  const { user, system } = process.cpuUsage();
  new DataView(memory.buffer).setBigUint64(at, BigInt(user + system) * 1000n, true);
  return 0;
};
const instance = await WebAssembly.instantiate(module, imports);
memory = instance.exports.memory;
const code = wasi.start(instance);
// What was printed is out. Node 20 may crash while it takes down a module of this size, so it is not given the time to.
if (code === 0) process.kill(process.pid, "SIGKILL");
process.exit(code);
