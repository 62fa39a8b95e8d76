// The editors: CodeMirror with what the core says of the policy.

import { autocompletion, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { yaml } from "@codemirror/lang-yaml";
import { HighlightStyle, bracketMatching, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { forEachDiagnostic, lintGutter, lintKeymap, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, search, searchKeymap } from "@codemirror/search";
import { EditorState, StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, drawSelection, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const colours = syntaxHighlighting(HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: "var(--name)" },
  { tag: [tags.string, tags.content], color: "var(--string)" },
  { tag: [tags.number, tags.bool, tags.null, tags.atom, tags.keyword], color: "var(--number)" },
  { tag: tags.comment, color: "var(--quiet)", fontStyle: "italic" },
  { tag: [tags.punctuation, tags.separator, tags.squareBracket, tags.brace], color: "var(--quiet)" },
]));

const look = EditorView.theme({
  "&": { height: "100%", fontSize: "13px", backgroundColor: "var(--paper)", color: "var(--ink)" },
  ".cm-scroller": { fontFamily: "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace", lineHeight: "1.5", overflow: "auto" },
  ".cm-gutters": { backgroundColor: "var(--band)", color: "var(--quiet)", borderRight: "1px solid var(--line)" },
  ".cm-activeLine": { backgroundColor: "var(--band)" },
  "&.cm-focused": { outline: "3px solid var(--focus)", outlineOffset: "-3px" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--chosen)" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--line)", maxWidth: "34rem" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--focus)", color: "var(--paper)" },
  ".cm-completionDetail": { fontStyle: "normal", color: "inherit" },
  ".cm-panels": { backgroundColor: "var(--band)", color: "var(--ink)" },
  ".cm-diagnosticAction": { backgroundColor: "var(--focus)", color: "var(--paper)" },
  ".cm-decides-line": { backgroundColor: "var(--decides-line)" },
  ".cm-decides": { backgroundColor: "var(--decides)", outline: "1px solid var(--decides-edge)", borderRadius: "2px" },
});

const marked = StateEffect.define();
const deciding = StateField.define({
  create: () => Decoration.none,
  update(before, change) {
    let now = before.map(change.changes);
    for (const effect of change.effects) {
      if (!effect.is(marked)) continue;
      const end = change.state.doc.length;
      const list = effect.value.filter(one => one && one.from <= end).flatMap(({ from, to }) => {
        const line = change.state.doc.lineAt(from), last = Math.min(to, line.to);
        const whole = Decoration.line({ class: "cm-decides-line" }).range(line.from);
        return last > from ? [whole, Decoration.mark({ class: "cm-decides" }).range(from, last)] : [whole];
      });
      now = Decoration.set(list, true);
    }
    return now;
  },
  provide: field => EditorView.decorations.from(field),
});

/** A small editor: `label` is its name for a screen reader. */
export function editor(parent, { label, language, changed, moved, complete, text = "" }) {
  const state = value => EditorState.create({
    doc: value,
    extensions: [
      lineNumbers(), history(), drawSelection(), bracketMatching(), highlightActiveLine(), highlightSelectionMatches(),
      search({ top: true }), indentUnit.of("  "), colours, look, deciding,
      language === "json" ? json() : yaml(),
      ...(complete ? [lintGutter(), autocompletion({ override: [complete], icons: false })] : []),
      EditorView.contentAttributes.of({ "aria-label": label }),
      // No key is a trap: Tab goes on to what comes next.
      keymap.of([...completionKeymap, ...defaultKeymap, ...historyKeymap, ...searchKeymap, ...lintKeymap]),
      EditorView.updateListener.of(update => {
        if (update.docChanged) changed(update.state.doc.toString());
        else if (update.selectionSet) moved?.();
      }),
    ],
  });
  const view = new EditorView({ parent, state: state(text) });
  // What scrolls can be reached by keys.
  view.scrollDOM.tabIndex = 0;
  return {
    view,
    text: () => view.state.doc.toString(),
    /** Shows another text, with a history of its own. */
    open(value) { view.setState(state(value)); },
    write(from, to, insert) { view.dispatch({ changes: { from, to, insert }, selection: { anchor: from + insert.length }, userEvent: "input" }); },
    diagnose(list) {
      const end = view.state.doc.length;
      const fits = list.map(one => ({ ...one, from: Math.min(one.from, end), to: Math.min(Math.max(one.to, one.from), end) }));
      // Those that stand there already stay: drawing them anew costs more than looking.
      const sum = (one, from, to) => JSON.stringify([from, to, one.mark]);
      const there = [], wanted = fits.map(one => sum(one, one.from, one.to)).sort();
      forEachDiagnostic(view.state, (one, from, to) => there.push(sum(one, from, to)));
      if (there.sort().join("\n") !== wanted.join("\n")) view.dispatch(setDiagnostics(view.state, fits));
    },
    mark(places) { view.dispatch({ effects: marked.of(places) }); },
    go({ from, to }, focus = true) {
      view.dispatch({ selection: { anchor: from, head: Math.min(to, view.state.doc.length) }, effects: EditorView.scrollIntoView(from, { y: "center" }) });
      if (focus) view.focus();
    },
    reveal({ from }) { view.dispatch({ effects: EditorView.scrollIntoView(from, { y: "center" }) }); },
  };
}
