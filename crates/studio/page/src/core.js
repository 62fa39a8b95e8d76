// The core, compiled to WebAssembly: a question in, an answer out. It is given nothing else: no clock, no file, no network.

const bytesOf = text => {
  const letters = atob(text), bytes = new Uint8Array(letters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = letters.charCodeAt(at);
  return bytes;
};

/** Unpacks and starts the core that stands in the page. */
export async function start() {
  const packed = bytesOf(document.getElementById("core").textContent.trim());
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const code = await new Response(stream).arrayBuffer();
  const { instance } = await WebAssembly.instantiate(code, {});
  const { memory, room, ask, place } = instance.exports;
  const encoder = new TextEncoder(), decoder = new TextDecoder();
  return question => {
    const bytes = encoder.encode(JSON.stringify({ now: Math.floor(Date.now() / 1000), ...question }));
    // Making room may move the memory: its buffer is looked up after.
    const there = room(bytes.length);
    new Uint8Array(memory.buffer, there, bytes.length).set(bytes);
    const length = ask();
    return JSON.parse(decoder.decode(new Uint8Array(memory.buffer, place(), length)));
  };
}

const through = async (bytes, stream) =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());

/** A policy as the fragment of a link: deflated, in base64url. */
export async function packed(value) {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(value)), new CompressionStream("deflate-raw"));
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/** The policy of such a fragment. What is no such text throws. */
export async function unpacked(text) {
  const bytes = bytesOf(text.replaceAll("-", "+").replaceAll("_", "/"));
  return JSON.parse(new TextDecoder().decode(await through(bytes, new DecompressionStream("deflate-raw"))));
}
