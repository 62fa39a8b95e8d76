// The views: each caller's response with what became of each value, which explains itself.

import { LEVELS, RANK, at, make } from "./dom.js";

/** Whether the line shows more or less than the other policy's line of the same place. */
const turned = (line, before) => {
  if (!before || !line.k || !before.k) return null;
  const [now, then] = [RANK[line.k], RANK[before.k]];
  if (now === then) return line.is !== before.is && line.k !== "pseudonym" ? { css: now ? "gain" : "", from: before.k } : null;
  return { css: now > then ? "gain" : "loss", from: before.k };
};

function draw(parent, lines, before, hooks) {
  const box = make("div", undefined, parent, "lines");
  let first = true;
  const count = { gain: 0, loss: 0 };
  lines.forEach((line, index) => {
    const row = make("div", undefined, box, "l");
    row.style.setProperty("--d", line.d);
    if (line.n) {
      make("span", line.n, row, "n");
      row.append(": ");
    }
    if (line.b) {
      row.append(line.b);
      if (line.gone) row.classList.add("gone");
      return;
    }
    if (line.k === "hide") row.classList.add("cut");
    // No button element: one would not go on in the next line as text does.
    const value = make("span", undefined, row, `v ${line.k}`);
    value.setAttribute("role", "button");
    value.tabIndex = first ? 0 : -1;
    first = false;
    if (line.k === "show") value.textContent = line.was;
    else {
      make("del", line.was, value);
      if (line.k !== "hide") make("ins", line.is ?? line.was, value);
      // Colour and strokes say it to the eye.
      make("span", ` ${LEVELS[line.k]}`, value, "unseen");
    }
    const turn = turned(line, before?.[index]);
    if (turn?.css) {
      count[turn.css] += 1;
      row.classList.add(turn.css);
      make("span", `${turn.css === "gain" ? "▲ gains" : "▼ loses"}: was ${LEVELS[turn.from]}`, row, "chip");
    }
    hooks.explains(value, () => line.e === null ? null : now.fields[line.e], line.out);
  });
  return count;
}

/** The answer that is drawn: what explains a value is looked up in it when it is asked. */
let now = {};
/** The cards that are drawn, each by all that it shows. */
let drawn = new Map();

/** Draws the views of an answer; `old` is the answer of the policy before, if two are compared. A card that shows what it showed
 * stays: most keys change one view or none. */
export function views(answer, old, { raw, hooks }) {
  const parent = at("views"), notes = at("notes");
  now = answer;
  notes.replaceChildren();
  if (answer.fault) make("p", answer.fault, notes, "bad");
  for (const note of answer.notes ?? []) make("p", note, notes);
  const before = drawn;
  drawn = new Map();
  const cards = (answer.views ?? []).map(view => {
    const then = old?.views?.find(other => other.name === view.name);
    const shows = JSON.stringify([view, Boolean(old), then, raw]);
    const one = before.get(shows) ?? card(view, Boolean(old), then, raw, hooks);
    drawn.set(shows, one);
    return one;
  });
  if (cards.length !== parent.children.length || cards.some((one, index) => parent.children[index] !== one)) parent.replaceChildren(...cards);
}

function card(view, isCompared, before, raw, hooks) {
  const one = document.createElement("article");
  const head = make("div", undefined, one);
  make("h3", view.name, head);
  make("span", view.refused ? `${view.status} refused` : view.status, head, view.refused ? "pill bad" : "pill");
  if (view.budget) make("p", `${view.budget.effect}, by budget ${view.budget.name}`, one);
  if (view.refused) {
    make("p", `${view.refused.reason}: ${view.refused.means ?? view.refused.said ?? ""}`, one, "refused");
    if (view.refused.help) make("p", view.refused.help, one, "said");
    if (view.body) make("pre", raw ? view.body : pretty(view.body), one);
  } else {
    const { shown = 0, detected = 0, masked = 0, pseudonymised = 0, blanked = 0, hidden = 0 } = view.counts ?? {};
    const parts = [[shown, "shown"], [detected, "shown in part"], [masked, "masked"], [pseudonymised, "pseudonym"], [blanked, "blank"], [hidden, "withheld"]];
    make("p", parts.filter(([count]) => count).map(([count, word]) => `${count} ${word}`).join(", ") || "nothing counted", one);
    if (view.note) make("p", view.note, one, "said");
    if (view.lines && !raw) {
      const count = draw(one, view.lines, before?.lines, hooks);
      if (count.gain) make("span", `▲ ${count.gain} more`, head, "pill gain");
      if (count.loss) make("span", `▼ ${count.loss} less`, head, "pill loss");
    } else {
      if (!raw && view.body) make("p", "too long to mark, or no JSON: these are the bytes", one);
      make("pre", view.body, one);
    }
  }
  if (isCompared && !before) make("span", "not in the policy before", head, "pill");
  if (before && Boolean(before.refused) !== Boolean(view.refused)) {
    make("span", view.refused ? `▼ was ${before.status}` : `▲ was refused with ${before.status}`, head, view.refused ? "pill loss" : "pill gain");
  }
  return one;
}

function pretty(body) {
  try { return JSON.stringify(JSON.parse(body), null, 2); } catch { return body; }
}

/** The explanation of a value, beside it; the deciding line is marked in the policy. */
export function explanations({ mark, go }) {
  const why = at("why"), saidBox = at("said");
  let asked = null;
  const close = () => {
    why.hidden = true;
    asked?.classList.remove("asked");
    asked = null;
    mark([]);
  };
  /** Beside the value, wherever that is now. */
  const beside = () => {
    const box = asked.getBoundingClientRect(), own = why.getBoundingClientRect();
    const left = Math.max(8, Math.min(box.left, innerWidth - own.width - 8));
    const below = box.bottom + 8, above = box.top - own.height - 8;
    why.style.left = `${left}px`;
    why.style.top = `${below + own.height < innerHeight || above < 8 ? Math.min(below, Math.max(8, innerHeight - own.height - 8)) : above}px`;
  };
  const open = (value, field, out) => {
    close();
    if (!value.isConnected) return;
    asked = value;
    value.classList.add("asked");
    saidBox.replaceChildren();
    if (!field) {
      make("p", "No field of the policy is at this place of this body: what `errors.show` or the route says decides.", saidBox);
    } else {
      make("h3", field.path, saidBox);
      const form = field.form ? `: ${field.form}` : "";
      make("span", `${LEVELS[field.level]}${form}`, saidBox, `level ${field.level}`);
      if (field.classes.length) make("p", `class ${field.classes.join(" + ")}${field.declared ? `, declared in line ${field.declared.line}` : ""}`, saidBox);
      if (out) make("p", "This one is left out with its array element or container: by `max_records`, or because it is not of the policy's shape.", saidBox);
      const list = make("ul", undefined, saidBox);
      for (const reason of field.reasons) {
        const line = reason.at ? `  (line ${reason.at.line})` : "";
        make("li", `${reason.topic}: ${reason.text}${line}${reason.decides ? "  ← decides" : ""}`, list, reason.decides ? "decides" : "");
      }
      const deciding = field.reasons.filter(reason => reason.decides && reason.at).map(reason => reason.at);
      const [first] = deciding;
      if (first) make("pre", `${first.line} │ ${first.text.trim()}`, saidBox);
      make("p", first ? "Press Enter or click to go to the line." : "", saidBox);
      mark(deciding);
    }
    why.hidden = false;
    beside();
  };
  document.addEventListener("keydown", event => { if (event.key === "Escape" && !why.hidden) close(); });
  // A key that leads to a value may move it into sight.
  document.addEventListener("scroll", event => {
    if (why.hidden || event.target === why || event.target.closest?.(".editor")) return;
    if (document.activeElement === asked || asked.matches(":hover")) beside();
    else close();
  }, { capture: true, passive: true });
  // One listener of a kind for all values: there are hundreds, and they are drawn anew while somebody types.
  const known = new WeakMap();
  const valueOf = target => {
    const value = target?.closest?.(".v, td.cell button");
    return known.has(value) ? value : null;
  };
  const show = value => { const { field, out } = known.get(value); open(value, field(), out); };
  // A mouse that rests asks nothing, though what is below it is drawn anew.
  let was = "";
  document.addEventListener("pointermove", event => {
    const is = `${event.screenX} ${event.screenY}`, value = valueOf(event.target);
    if (is !== was && value && value !== asked) show(value);
    was = is;
  });
  document.addEventListener("pointerout", event => {
    const value = valueOf(event.target);
    if (value && !value.contains(event.relatedTarget) && document.activeElement !== value) close();
  });
  document.addEventListener("focusin", event => { const value = valueOf(event.target); if (value) show(value); });
  document.addEventListener("focusout", event => { if (valueOf(event.target)) close(); });
  document.addEventListener("click", event => {
    const value = valueOf(event.target);
    if (!value) return;
    show(value);
    const field = known.get(value).field();
    const place = field?.reasons.find(reason => reason.decides && reason.at)?.at ?? field?.declared;
    if (place) go(place);
  });
  document.addEventListener("keydown", event => {
    const value = valueOf(event.target);
    if (!value) return;
    if (value.tagName !== "BUTTON" && (event.key === "Enter" || event.key === " ")) {
      event.preventDefault();
      value.click();
    }
    const group = [...(value.closest(".lines, table") ?? document).querySelectorAll(".v, td.cell button")];
    const index = group.indexOf(value);
    const wide = value.closest("tr")?.querySelectorAll("td.cell").length ?? 1;
    const step = { ArrowDown: wide, ArrowUp: -wide, ArrowRight: 1, ArrowLeft: -1, Home: -index, End: group.length - 1 - index }[event.key];
    const next = step === undefined ? null : group[index + step];
    if (step === undefined) return;
    event.preventDefault();
    if (!next) return;
    value.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  });
  return { close, explains(value, field, out = false) { known.set(value, { field, out }); } };
}
