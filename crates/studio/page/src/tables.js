// What is below the views: the matrix, the suites' rows, headers, and what changes between two policies.

import { make } from "./dom.js";

const table = (parent, heads) => {
  const scroll = make("div", undefined, parent, "scroll");
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", `Table: ${heads.filter(Boolean).join(", ")}`);
  const one = make("table", undefined, scroll);
  const row = make("tr", undefined, make("thead", undefined, one));
  for (const head of heads) {
    if (head) make("th", head, row).scope = "col";
    else make("td", "", row);
  }
  return make("tbody", undefined, one);
};

export function matrix(panel, answer, hooks) {
  if (answer.check) return make("p", "The policy does not check: mend it first.", panel);
  for (const route of answer.routes) {
    const acts = answer.scopes.map((_, index) => route.fields.some(field => field.cells[index]));
    make("h3", `${route.name}  ${route.match}`, panel);
    const body = table(panel, ["field", ...answer.scopes.filter((_, index) => acts[index])]);
    let first = true;
    for (const field of route.fields) {
      const row = make("tr", undefined, body);
      const head = make("th", undefined, row);
      head.scope = "row";
      make("span", field.path, head, "mono");
      make("small", field.classes.join(" + "), head);
      field.cells.forEach((cell, index) => {
        if (!acts[index]) return;
        const box = make("td", undefined, row, "cell");
        if (!cell) return;
        const [level, why] = cell;
        const button = make("button", level, box, level);
        button.type = "button";
        button.tabIndex = first ? 0 : -1;
        first = false;
        button.setAttribute("aria-label", `${field.path} for ${answer.scopes[index]}: ${level}`);
        hooks.explains(button, () => route.explained[why]);
      });
    }
    for (const note of route.notes) make("p", note, panel);
  }
  for (const line of answer.untouched) make("p", line, panel);
}

export function headers(panel, answer) {
  const answered = (answer.views ?? []).filter(view => view.headers);
  if (!answered.length) return make("p", "Nobody gets an answer that has headers.", panel);
  const names = [...new Set(answered.flatMap(view => view.headers.map(([name]) => name)))].sort();
  const body = table(panel, ["header", ...answered.map(view => view.name)]);
  for (const name of names) {
    const row = make("tr", undefined, body);
    const head = make("th", undefined, row);
    head.scope = "row";
    make("span", name, head, "mono");
    for (const view of answered) {
      make("td", view.headers.filter(([other]) => other === name).map(([, value]) => value).join(", ") || "–", row, "mono");
    }
  }
  make("p", "All other headers of the API are dropped, and all trailers (rule 31).", panel);
}

export function suites(panel, answers, { load, go }) {
  if (!answers.length) return make("p", "No test suite is open: drop a *.test.yaml here, with the bodies that it names.", panel);
  for (const { name, answer } of answers) {
    const rows = answer.rows ?? [];
    const failed = rows.filter(row => row.findings.length).length;
    make("h3", answer.rows ? `${name}: ${rows.length - failed} passed, ${failed} failed` : name, panel);
    for (const item of answer.check?.diagnostics ?? []) {
      make("p", `${item.code}: ${item.message}${item.help ? `; ${item.help}` : ""}`, panel, "fail");
    }
    const list = make("ul", undefined, panel, "rows");
    for (const row of rows) {
      const one = make("li", undefined, list);
      make("span", row.findings.length ? "FAIL" : "ok", one, `sign ${row.findings.length ? "fail" : "ok"}`);
      one.append(row.name);
      if (row.asks) {
        const button = make("button", "show", one);
        button.type = "button";
        button.setAttribute("aria-label", `show the row: ${row.name}`);
        button.addEventListener("click", () => load(row.asks));
      }
      for (const finding of row.findings) {
        make("p", `${finding.subject}: ${finding.expected ? `expected ${finding.expected}, got ` : ""}${finding.got}`, one, "finding");
        for (const { text, at } of finding.because) {
          const line = make("p", `because ${text}`, one, "finding");
          if (!at) continue;
          const button = make("button", `line ${at.line}`, line);
          button.type = "button";
          button.addEventListener("click", () => go(at));
        }
        if (finding.perhaps) make("p", finding.perhaps, one, "finding");
      }
    }
  }
}

export function changes(panel, answer) {
  if (!answer) return make("p", "Press Compare: the policy as it is now becomes the one before, and what you change is listed here.", panel);
  if (answer.broken || answer.fault) return make("p", answer.fault ?? `The policy ${answer.broken === "old" ? "before" : "now"} does not check: mend it first.`, panel);
  let any = false;
  for (const [kind, title, css] of [["gains", "Gains: somebody sees more, or may", "fail"], ["losses", "Losses", "ok"], ["other", "Other changes", ""]]) {
    const list = answer[kind];
    if (!list.length) continue;
    any = true;
    make("h3", `${title} (${list.length})`, panel, css);
    const body = table(panel, ["who", "route", "what", "before", "after", "why"]);
    for (const change of list) {
      const row = make("tr", undefined, body);
      for (const part of [change.who, change.route, change.what, change.from, change.to, [change.because, change.at].filter(Boolean).join(" ")]) make("td", part, row);
    }
  }
  if (!any) make("p", "No difference in what anybody sees.", panel);
}
