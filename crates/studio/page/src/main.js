// The studio: what is open, what is asked of the core, and what is drawn of its answers.

import { packed, start, unpacked } from "./core.js";
import { at, make, options } from "./dom.js";
import { editor } from "./editor.js";
import * as tables from "./tables.js";
import { explanations, views } from "./views.js";

const given = JSON.parse(at("given").textContent);
const here = { files: {}, root: "", file: "", suites: [], old: null, mode: "all", scopes: new Set(), tab: "matrix", asks: [] };
let call, answer = {}, problems = [], last = null, quiet = false, pending = 0;

const policyEditor = editor(at("edit-policy"), { label: "Policy", language: "yaml", complete, changed: text => {
  here.files[here.file] = text;
  here.unsaved = true;
  changed();
}, moved: () => caret() });
const bodyEditor = editor(at("edit-body"), { label: "Body of the response", language: "json", changed: () => {
  if (!quiet) at("sample").value = "";
  changed();
} });
const oldEditor = editor(at("edit-old"), { label: "Policy before", language: "yaml", changed: text => {
  if (here.old) here.old.files[here.old.root] = text;
  changed();
} });
const hooks = explanations({
  mark(places) {
    // What is drawn while the policy does not check is of another text.
    policyEditor.mark(answer.policy ? places.filter(one => one.file === here.file) : []);
  },
  go,
});

/** Goes to a place of the policy, in whichever of its files it is. */
function go(one) {
  if (!answer.policy || here.files[one.file] === undefined) return;
  if (one.file !== here.file) show(one.file);
  policyEditor.reveal(one);
  policyEditor.mark([one]);
}

function show(file) {
  here.file = file;
  at("file").value = file;
  policyEditor.open(here.files[file]);
  diagnose();
}

function complete(context) {
  const typed = context.matchBefore(/[\w$.@*\-\[\]]+$/);
  if (!context.explicit && !typed && !/[\s{[,]$/.test(context.state.sliceDoc(Math.max(0, context.pos - 1), context.pos))) return null;
  if (!context.explicit && !typed) return null;
  const found = call({ ask: "complete", files: here.files, root: here.root, file: here.file, at: context.pos, last });
  if (!found.items?.length) return null;
  return { from: found.from, to: found.to, options: found.items.map(item => ({ label: item.apply, displayLabel: item.label, detail: item.detail, type: item.name ? "variable" : "keyword" })), filter: true };
}

const used = () => { const share = Number(at("used").value); return share > 0 ? share : null; };
const question = ask => ({ ask, files: here.files, root: here.root, client: at("client").value, used: used() });

/** `name: value`, several with ` | ` between them. */
const headersIn = id => at(id).value.split(" | ").filter(one => one.includes(":")).map(one => {
  const end = one.indexOf(":");
  return [one.slice(0, end).trim(), one.slice(end + 1).trim()];
});

/** What the request and the response have besides a path and a body, in one line: they are out of sight until somebody wants them. */
function more() {
  const others = headersIn("headers").length, own = headersIn("request-headers").length;
  const parts = [`status ${at("status").value || 200}`, at("type").value || "no content type", others && `other headers: ${others}`, own && `headers of the request: ${own}`];
  at("more-text").textContent = parts.filter(Boolean).join(", ");
}

function lookQuestion() {
  const one = question("look");
  one.route = at("route").value;
  one.request = at("request").value;
  one.headers = headersIn("request-headers");
  one.response = { status: Number(at("status").value) || 200, headers: [["content-type", at("type").value], ...headersIn("headers")], body: bodyEditor.text() };
  if (here.mode === "one") {
    one.callers = [{ name: [...here.scopes].join(" ") || "no scope", scopes: [...here.scopes], client: one.client, claims: at("claims").value }];
  }
  return one;
}

/** Asks and draws everything that is in sight. The tables below wait for a pause. */
function changed() {
  if (quiet || !call) return;
  const begun = performance.now();
  let asked = lookQuestion();
  answer = call(asked);
  if (answer.policy) {
    last = { ...here.files };
    chosen(answer.policy);
    if (here.fresh) {
      here.fresh = false;
      asksOf();
      firstBody();
      asked = lookQuestion();
      answer = call(asked);
    }
  }
  draw(asked);
  more();
  studio.spent.push(performance.now() - begun);
  clearTimeout(pending);
  pending = setTimeout(below, 150);
}

function draw(asked) {
  hooks.close();
  diagnose();
  const { errors, warnings, notes } = answer.check;
  const counted = [[errors, "error"], [warnings, "warning"], [notes, "note"]].filter(([count]) => count).map(([count, word]) => `${count} ${word}${count > 1 ? "s" : ""}`).join(", ");
  const state = at("state");
  const text = errors ? `does not load: ${counted}` : counted ? `checks: ${counted}` : "checks";
  if (state.textContent !== `${here.root} ${text}`) {
    state.replaceChildren(make("b", here.root), " ", make("span", text, undefined, errors ? "bad" : warnings ? "doubt" : "good"));
  }
  at("pane-views").classList.toggle("stale", Boolean(errors));
  if (!answer.policy) {
    // As a proxy does: it keeps the policy that it has.
    const kept = at("views").childElementCount > 0;
    at("notes").replaceChildren(make("p", `The policy does not load.${kept ? " These are the views of the last one that did: a proxy keeps that." : ""} Mend what is marked.`, undefined, "bad"));
    return;
  }
  const old = here.old ? call({ ...asked, files: here.old.files, root: here.old.root }) : null;
  views(answer, old, { raw: at("raw").checked, hooks });
  if (old && !old.policy) make("p", "The policy before does not check, so nothing is compared.", at("notes"), "bad");
}

/** What is said of the file that is open, in the editor and as a list. What is said already stays. */
function diagnose() {
  // Errors first: the list is short, and they are what keeps the policy from loading.
  const rank = { error: 0, warning: 1, info: 2 };
  const marks = problems = [...answer.marks ?? []].sort((a, b) => rank[a.severity] - rank[b.severity]);
  const said = JSON.stringify(marks);
  const apply = mark => {
    if (mark.fix.at.file !== here.file) show(mark.fix.at.file);
    policyEditor.write(mark.fix.at.from, mark.fix.at.to, mark.fix.text);
    policyEditor.view.focus();
  };
  policyEditor.diagnose(marks.filter(mark => !mark.at || mark.at.file === here.file).map(mark => ({
    from: mark.at?.from ?? 0, to: mark.at?.to ?? 0, severity: mark.severity, source: mark.code, mark,
    message: mark.help ? `${mark.message}\nhelp: ${mark.help}` : mark.message,
    actions: mark.fix ? [{ name: `Write ${mark.fix.text}`, apply: () => apply(mark) }] : [],
  })));
  if (said === here.said) return caret();
  here.said = said;
  at("problems").replaceChildren(...marks.map(mark => {
    const item = make("li", undefined, undefined, mark.severity);
    const button = make("button", undefined, item, "go");
    button.type = "button";
    make("code", mark.code, button);
    button.append(mark.at ? `line ${mark.at.line}: ${mark.message}` : mark.message);
    button.addEventListener("click", () => {
      if (!mark.at || here.files[mark.at.file] === undefined) return;
      if (mark.at.file !== here.file) show(mark.at.file);
      policyEditor.go(mark.at);
    });
    if (mark.fix) {
      const fix = make("button", `Fix: write ${mark.fix.text}`, item, "fix");
      fix.type = "button";
      fix.addEventListener("click", () => apply(mark));
    }
    if (mark.help) make("span", `help: ${mark.help}`, item, "help");
    return item;
  }));
  caret();
}

/** Of the problems, those under the caret stand out in the list. */
function caret() {
  const { from, to } = policyEditor.view.state.selection.main;
  [...at("problems").children].forEach((item, index) => {
    const place = problems[index]?.at;
    item.classList.toggle("here", Boolean(place && place.file === here.file && place.from <= to && from <= place.to));
  });
  // A list of its own scrolls, and not the page.
  const list = at("problems"), first = list.querySelector(".here");
  if (first) list.scrollTop += first.getBoundingClientRect().top - list.getBoundingClientRect().top;
}

/** What can be chosen from, as the policy has it now. */
function chosen(policy) {
  const sum = JSON.stringify([policy.routes.map(route => route.name), policy.scopes, policy.clients, policy.steps]);
  if (sum === here.sum) return;
  here.sum = sum;
  options(at("route"), policy.routes.map(route => [route.name, `${route.name}  ${route.match}`]));
  at("clients").replaceChildren(...policy.clients.map(name => Object.assign(document.createElement("option"), { value: name })));
  at("steps").replaceChildren(...policy.steps.map(step => Object.assign(document.createElement("option"), { value: step })));
  at("used-label").hidden = !policy.steps.length;
  for (const name of [...here.scopes]) if (!policy.scopes.includes(name)) here.scopes.delete(name);
  if (!here.scopes.size && policy.scopes.length) here.scopes.add(policy.scopes[0]);
  const box = at("scopes"), legend = box.firstElementChild;
  box.replaceChildren(legend, ...policy.scopes.map(name => {
    const label = make("label");
    const tick = make("input", undefined, label);
    tick.type = "checkbox";
    tick.checked = here.scopes.has(name);
    tick.addEventListener("change", () => {
      here.scopes[tick.checked ? "add" : "delete"](name);
      changed();
    });
    label.append(name);
    return label;
  }));
  samples();
}

/** The bodies that there are for the route: those of the suites, and one made of the policy. */
function samples() {
  const route = at("route").value;
  const own = here.asks.map((asks, index) => [asks, index]).filter(([asks]) => asks.route === route && asks.response.body);
  const seen = new Set();
  const list = own.filter(([asks]) => !seen.has(asks.response.body + asks.response.status) && seen.add(asks.response.body + asks.response.status));
  options(at("sample"), [["", "typed or pasted here"], ["made", "made of the policy's fields"], ...list.map(([asks, index]) => [String(index), `test: ${asks.name}`])]);
}

function body(text) {
  quiet = true;
  bodyEditor.open(text);
  quiet = false;
}

/** Takes the first body that there is for the route. */
function firstBody() {
  samples();
  const select = at("sample");
  const best = [...select.options].find(option => option.value && option.value !== "made" && here.asks[option.value].response.status === 200);
  select.value = best?.value ?? "made";
  take();
}

function take() {
  const choice = at("sample").value, route = answer.policy?.routes.find(one => one.name === at("route").value);
  const asks = here.asks[choice];
  at("request").value = asks?.request ?? route?.request ?? "";
  at("status").value = asks?.response.status ?? 200;
  headersOf(asks);
  if (asks) body(pretty(asks.response.body));
  else if (choice === "made") body(route?.sample ?? "");
}

const pretty = text => { if (text.includes("\n")) return text; try { return JSON.stringify(JSON.parse(text), null, 2); } catch { return text; } };

function headersOf(asks) {
  const all = asks?.response.headers ?? [], isType = ([name]) => name === "content-type";
  at("type").value = all.find(isType)?.[1] ?? "application/json";
  at("headers").value = all.filter(one => !isType(one)).map(([name, value]) => `${name}: ${value}`).join(" | ");
}

/** Draws the table that is open below. */
function below() {
  const panel = at("panel");
  const top = panel.scrollTop;
  panel.replaceChildren();
  if (!answer.policy && here.tab !== "changes") make("p", "The policy does not check: mend what is marked first.", panel);
  else if (here.tab === "matrix") tables.matrix(panel, call(question("matrix")), hooks);
  else if (here.tab === "headers") tables.headers(panel, answer);
  else if (here.tab === "suite") tables.suites(panel, run(), { load: loadRow, go });
  else tables.changes(panel, here.old ? call({ ...question("diff"), old: here.old }) : null);
  panel.scrollTop = top;
}

const run = () => here.suites.map(suite => ({ name: suite.name, answer: call({ ...question("suite"), suite }) }));

/** Asks what a row of a suite asks. */
function loadRow(asks) {
  here.mode = "one";
  for (const radio of document.getElementsByName("mode")) radio.checked = radio.value === "one";
  modes();
  here.scopes = new Set(asks.scopes);
  for (const tick of at("scopes").querySelectorAll("input")) tick.checked = here.scopes.has(tick.parentElement.textContent);
  at("client").value = asks.client ?? "";
  at("claims").value = Object.keys(asks.claims ?? {}).length ? JSON.stringify(asks.claims) : "";
  if (asks.route) at("route").value = asks.route;
  samples();
  at("request").value = asks.request;
  at("status").value = asks.response.status;
  headersOf(asks);
  body(pretty(asks.response.body));
  changed();
  at("pane-views").scrollIntoView({ block: "start" });
}

function modes() {
  at("scopes").hidden = here.mode !== "one";
  at("claims-label").hidden = here.mode !== "one";
}

/** Opens a policy, with the suites that are of it. */
function open({ files, root, suites }) {
  quiet = true;
  here.files = { ...files };
  here.root = root;
  here.file = root;
  here.sum = "";
  here.unsaved = false;
  here.asks = [];
  if (suites) here.suites = suites;
  options(at("file"), Object.keys(files).map(name => [name, name]), root);
  at("file").hidden = Object.keys(files).length < 2;
  policyEditor.open(files[root]);
  quiet = false;
  at("views").replaceChildren();
  // The first time that it checks, it is asked for its bodies.
  here.fresh = true;
  changed();
}

const asksOf = () => {
  here.asks = run().flatMap(({ answer }) => answer.rows ?? []).filter(row => row.asks).map(row => ({ ...row.asks, name: row.name }));
};

function tell(text) {
  const told = at("told");
  told.hidden = !text;
  told.textContent = text;
}

/** Opens files that were chosen or dropped: a policy, what it includes, suites with their bodies, or a body alone. */
async function take_in(list) {
  const read = await Promise.all([...list].map(async file => ({ name: file.name, text: await file.text() })));
  const isPolicy = one => /^\s*("?language"?\s*:)/m.test(one.text) && /^\s*"?policy"?\s*:/m.test(one.text) && !/\.test\.ya?ml$/.test(one.name);
  const isSuite = one => /\.test\.ya?ml$/.test(one.name);
  const policy = read.find(isPolicy);
  const bodies = read.filter(one => !isSuite(one) && one !== policy && one.name.endsWith(".json"));
  const named = Object.fromEntries(bodies.flatMap(one => [[one.name, one.text], [`testdata/${one.name}`, one.text]]));
  const suites = read.filter(isSuite).map(one => ({ ...one, bodies: named }));
  if (policy) {
    const parts = read.filter(one => !isSuite(one) && !bodies.includes(one));
    open({ files: Object.fromEntries(parts.map(one => [one.name, one.text])), root: policy.name, suites });
    return tell(`Opened ${policy.name}${suites.length ? ` with ${suites.map(one => one.name).join(", ")}` : ""}.`);
  }
  if (suites.length) {
    here.suites = suites;
    asksOf();
    samples();
    tab("suite");
    return tell(`Opened ${suites.map(one => one.name).join(", ")}.`);
  }
  if (bodies.length) {
    bodyEditor.open(bodies[0].text);
    at("sample").value = "";
    changed();
    return tell(`${bodies[0].name} is the body now. It stays in this page.`);
  }
  return tell(`${read.map(one => one.name).join(", ")}: no policy, suite or JSON body. A policy has \`language: 1\` and \`policy: NAME\`.`);
}

function tab(name) {
  here.tab = name;
  for (const one of at("tabs").children) {
    const is = one.id === `tab-${name}`;
    one.setAttribute("aria-selected", is);
    one.tabIndex = is ? 0 : -1;
  }
  at("panel").setAttribute("aria-labelledby", `tab-${name}`);
  below();
}

function compare(old) {
  here.old = old;
  at("pane-old").hidden = !old;
  at("desk").classList.toggle("two", Boolean(old));
  at("compare").setAttribute("aria-pressed", Boolean(old));
  if (old) oldEditor.open(old.files[old.root]);
  changed();
  tab(old ? "changes" : "matrix");
}

async function share() {
  here.unsaved = false;
  const link = `${location.href.split("#")[0]}#${await packed({ files: here.files, root: here.root })}`;
  history.replaceState(null, "", link);
  let copied = false;
  try {
    await navigator.clipboard.writeText(link);
    copied = true;
  } catch { /* Not every browser lets a file's page write there. */ }
  const told = at("told");
  told.hidden = false;
  told.replaceChildren(copied ? "Copied. The link holds the policy and no body:" : "Copy this link. It holds the policy and no body:");
  const box = make("input", undefined, told);
  box.readOnly = true;
  box.value = link;
  box.setAttribute("aria-label", "Link");
  if (!copied) box.select();
}

/** The policy of the address, if it has one. */
async function linked() {
  const text = location.hash.slice(1);
  if (!text) return null;
  try {
    const { files, root } = await unpacked(text);
    if (typeof files?.[root] !== "string") throw new Error("no policy");
    return { files, root };
  } catch {
    tell("The link's fragment is not a policy of a studio: it may have been cut.");
    return null;
  }
}

function save() {
  here.unsaved = false;
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([here.files[here.file]], { type: "application/yaml" }));
  link.download = here.file.split("/").pop();
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

const chooser = at("files");
let taking = take_in;
const choose = (whom, several) => {
  taking = whom;
  chooser.multiple = several;
  chooser.value = "";
  chooser.click();
};
chooser.addEventListener("change", () => taking(chooser.files));
at("open").addEventListener("click", () => choose(take_in, true));
at("open-old").addEventListener("click", () => choose(async ([file]) => compare({ files: { [here.root]: await file.text() }, root: here.root }), false));
at("save").addEventListener("click", save);
at("share").addEventListener("click", share);
at("compare").addEventListener("click", () => compare(here.old ? null : { files: { ...here.files }, root: here.root }));
at("swap").addEventListener("click", () => {
  const old = { files: { ...here.files }, root: here.root }, now = here.old;
  here.old = null;
  quiet = true;
  here.files = now.files;
  policyEditor.open(now.files[here.file] ?? now.files[now.root]);
  quiet = false;
  compare(old);
});
const themes = [["light dark", "◐", "as the system has them"], ["light", "☀", "light"], ["dark", "☾", "dark"]];
let theme = 0;
at("theme").addEventListener("click", () => {
  theme = (theme + 1) % themes.length;
  const [scheme, sign, name] = themes[theme];
  document.documentElement.style.colorScheme = scheme;
  at("theme").textContent = sign;
  at("theme").setAttribute("aria-label", `Colours: ${name}`);
});
at("file").addEventListener("change", () => show(at("file").value));
at("route").addEventListener("change", () => { firstBody(); changed(); });
at("sample").addEventListener("change", () => { take(); changed(); });
for (const id of ["request", "status", "type", "headers", "request-headers", "client", "claims"]) at(id).addEventListener("input", changed);
at("raw").addEventListener("change", changed);
at("used").addEventListener("input", () => {
  at("used-text").textContent = used() ? `${used()} %` : "nothing";
  changed();
});
for (const radio of document.getElementsByName("mode")) {
  radio.addEventListener("change", () => {
    here.mode = radio.value;
    modes();
    changed();
  });
}
at("tabs").addEventListener("click", event => { if (event.target.role === "tab") tab(event.target.id.slice(4)); });
at("tabs").addEventListener("keydown", event => {
  const all = [...at("tabs").children], index = all.indexOf(document.activeElement);
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step || index < 0) return;
  const next = all[(index + step + all.length) % all.length];
  next.focus();
  tab(next.id.slice(4));
});
let inside = 0;
document.addEventListener("dragenter", event => { event.preventDefault(); inside += 1; at("drop").hidden = false; });
document.addEventListener("dragleave", () => { inside -= 1; if (inside <= 0) at("drop").hidden = true; });
document.addEventListener("dragover", event => event.preventDefault());
document.addEventListener("drop", event => {
  event.preventDefault();
  inside = 0;
  at("drop").hidden = true;
  if (event.dataTransfer.files.length) take_in(event.dataTransfer.files);
}, true);
// Nothing is kept anywhere but here: what is written and not saved goes with the page.
addEventListener("beforeunload", event => { if (here.unsaved) event.preventDefault(); });
addEventListener("hashchange", async () => { const one = await linked(); if (one) open({ ...one, suites: [] }); });

/** For tests: the core, what is open, and how long each change took, in milliseconds. */
const studio = { spent: [], call: null, here, policyEditor, bodyEditor, question: lookQuestion, answer: () => answer, open, take_in, below, ready: false };
window.studio = studio;
call = await start();
studio.call = call;
const one = await linked();
open(one ? { ...one, suites: [] } : given);
tab("matrix");
studio.ready = performance.now();
