// The editors: CodeMirror, with the page's own colours.
import { autocompletion } from '@codemirror/autocomplete';
import { json, jsonParseLinter } from '@codemirror/lang-json';
import { yaml, yamlLanguage } from '@codemirror/lang-yaml';
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language';
import { linter, lintGutter } from '@codemirror/lint';
import { EditorState } from '@codemirror/state';
import { EditorView, keymap } from '@codemirror/view';
import { tags } from '@lezer/highlight';
import { basicSetup } from 'codemirror';
import { complete } from './completion.js';

const colours = HighlightStyle.define([
  { tag: [tags.propertyName, tags.definition(tags.propertyName)], color: 'var(--key)' },
  { tag: [tags.string, tags.content], color: 'var(--string)' },
  { tag: [tags.number, tags.bool, tags.null, tags.keyword, tags.atom], color: 'var(--number)' },
  { tag: [tags.comment, tags.lineComment], color: 'var(--quiet)' },
  { tag: [tags.punctuation, tags.separator, tags.bracket], color: 'var(--quiet)' },
]);

const theme = EditorView.theme({
  '&': { height: '100%', fontSize: 'var(--code)', color: 'var(--text)', backgroundColor: 'transparent' },
  '.cm-scroller': { fontFamily: 'var(--mono)', lineHeight: '1.55' },
  '.cm-gutters': { backgroundColor: 'transparent', color: 'var(--quiet)', border: 'none' },
  '.cm-activeLine, .cm-activeLineGutter': { backgroundColor: 'var(--hover)' },
  '&.cm-focused': { outline: 'none' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground': {
    backgroundColor: 'var(--selection)',
  },
  '.cm-selectionMatch': { backgroundColor: 'var(--selection)' },
  '.cm-tooltip, .cm-panels': { backgroundColor: 'var(--raised)', color: 'var(--text)', borderColor: 'var(--line)' },
  '.cm-tooltip.cm-tooltip-autocomplete > ul > li[aria-selected]': { backgroundColor: 'var(--accent)', color: 'var(--on-accent)' },
  '.cm-completionInfo': { maxWidth: '22rem', padding: '0.5rem 0.75rem', fontFamily: 'var(--sans)' },
  '.cm-diagnostic': { fontFamily: 'var(--sans)' },
});

const common = (label, keys, changed) => [
  keymap.of(keys),
  basicSetup,
  theme,
  syntaxHighlighting(colours),
  EditorView.contentAttributes.of({ 'aria-label': label }),
  EditorView.updateListener.of((update) => update.docChanged && changed(update.state.doc.toString())),
];

/** The editor of the mapping. `diagnose` gives the engine's diagnostics for a text, sooner or later. */
export function mappingEditor(parent, { diagnose, changed, keys }) {
  const problems = async ({ state: { doc } }) => (await diagnose(doc.toString())).map((it) => inPlace(doc, it));
  const extensions = [
    ...common('Mapping', keys, changed),
    yaml(),
    yamlLanguage.data.of({ autocomplete: complete }),
    autocompletion({ activateOnTyping: true }),
    linter(problems, { delay: 150 }),
    lintGutter(),
  ];
  return new EditorView({ parent, state: EditorState.create({ extensions }) });
}

/** The editor of a request's body. */
export function bodyEditor(parent, { changed, keys }) {
  const check = jsonParseLinter();
  const extensions = [
    ...common('Request body', keys, changed),
    json(),
    EditorView.lineWrapping,
    linter((view) => (view.state.doc.length ? check(view) : [])),
  ];
  return new EditorView({ parent, state: EditorState.create({ extensions }) });
}

/** Replaces the text, unless it is the same. */
export function setText(view, text) {
  if (view.state.doc.toString() === text) return;
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text } });
}

/** Puts the cursor at a line and column, both from 1. */
export function goTo(view, { line, column }) {
  const { from } = inPlace(view.state.doc, { line, column });
  view.dispatch({ selection: { anchor: from }, effects: EditorView.scrollIntoView(from, { y: 'center' }) });
  view.focus();
}

// A diagnostic has a beginning: it is shown to the end of the word.
function inPlace(doc, { line: number, column, severity, code, message, suggestion }) {
  const line = doc.line(Math.min(number, doc.lines));
  const from = Math.min(line.from + column - 1, line.to);
  const [word] = /^[^\s:,{}[\]]+/.exec(doc.sliceString(from, line.to)) ?? [''];
  return { from, to: from + word.length, severity, source: code, message: suggestion ? `${message}\n${suggestion}` : message };
}
