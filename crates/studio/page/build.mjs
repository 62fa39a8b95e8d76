// Makes one page of everything: styles, script, core and a policy to begin with.
// usage: node build.mjs CORE.wasm OUT.html

import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const [core, out] = process.argv.slice(2);
const here = name => new URL(name, import.meta.url);
const read = name => readFileSync(here(name), "utf8");
const bundled = await build({
  entryPoints: [here("src/main.js").pathname], bundle: true, minify: true, format: "esm", target: "es2022", write: false,
  charset: "ascii", legalComments: "none",
});
const style = (await build({ entryPoints: [here("page.css").pathname], minify: true, write: false })).outputFiles[0].text.trim();
// What an editor component holds of `</script` would end the element.
const script = bundled.outputFiles[0].text.replaceAll("</script", "<\\/script");
const hash = createHash("sha256").update(script).digest("base64");
// No origin at all: nothing can be loaded, and nothing sent. Styles are the editor's own, made while it runs.
const policy = `default-src 'none'; script-src 'sha256-${hash}' 'wasm-unsafe-eval'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'`;
const policies = here("../../../policies/");
const shipped = name => readFileSync(new URL(name, policies), "utf8");
const testdata = readdirSync(new URL("testdata/", policies)).filter(name => name.endsWith(".json"));
const first = {
  files: { "telco.yaml": shipped("telco.yaml") },
  root: "telco.yaml",
  suites: [{ name: "telco.test.yaml", text: shipped("telco.test.yaml"), bodies: Object.fromEntries(testdata.map(name => [`testdata/${name}`, shipped(`testdata/${name}`)])) }],
};
const parts = {
  "@POLICY@": policy,
  "@STYLE@": style,
  "@GIVEN@": JSON.stringify(first).replaceAll("<", "\\u003c"),
  "@CORE@": gzipSync(readFileSync(core), { level: 9 }).toString("base64"),
  "@SCRIPT@": script,
};
// One pass: what a part holds is not looked at again.
writeFileSync(out, read("page.html").replace(/@[A-Z]+@/g, part => parts[part] ?? part));
