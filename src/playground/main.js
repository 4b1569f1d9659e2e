import { replies, tables } from './application.js';
import { findDemo } from './demo.js';
import { byId, element, prose, refill } from './dom.js';
import { bodyEditor, goTo, mappingEditor, setText } from './editor.js';
import { diagram } from './exchange.js';
import mappings from './mappings.json';
import { runAll, runLive } from './run.js';
import { sequences } from './sequences.js';
import { fromFragment, toFragment } from './share.js';

const demo = findDemo();
// The page can be used while the module is being compiled.
const loading = import('scim-edge');
let scimEdge;

/** `results[0]` is what there is before the first step. */
const state = { mapping: '', steps: [], selected: 0, side: 'page', results: [], edits: new Map(), known: {} };
const opened = new Set();
let problems = [];

// Mapping and steps.

const keys = [{ key: 'Mod-Enter', preventDefault: true, run: () => (run(), true) }];

const mapping = mappingEditor(byId('mapping-editor'), {
  diagnose: async (text) => (await loading).check(text),
  keys,
  changed: (text) => {
    state.mapping = text;
    state.edits.clear();
    named();
    soon();
  },
});

const body = bodyEditor(byId('body-editor'), { keys, changed: (text) => edit({ body: text }) });

function edit(change) {
  const step = state.steps[state.selected];
  if (!step || Object.entries(change).every(([name, value]) => step[name] === value)) return;
  Object.assign(step, change);
  state.edits.delete(state.selected);
  soon();
}

const steps = (sequence) =>
  sequence.steps.map((step) => ({ ...step, body: step.body === undefined ? '' : JSON.stringify(step.body, null, 2) }));

function begin(given, selected = 0) {
  Object.assign(state, { steps: given, selected, results: state.results.slice(0, 1), known: {} });
  state.edits.clear();
  opened.clear();
  showSteps();
  showRequest();
  soon();
}

function select(index) {
  state.selected = index;
  showSteps();
  showRequest();
  showResult();
}

// Running.

let timer;
let turn = 0;

function soon() {
  clearTimeout(timer);
  timer = setTimeout(async () => {
    if (state.side !== 'live') return run();
    scimEdge ??= await loading;
    check();
  }, 120);
}

function check() {
  problems = scimEdge.check(state.mapping);
  showProblems();
  return !problems.some((it) => it.severity === 'error');
}

async function run() {
  clearTimeout(timer);
  const own = (turn += 1);
  scimEdge ??= await loading;
  if (check()) {
    try {
      if (state.side === 'live') await runSelectedLive();
      else await runEverything(own);
    } catch (error) {
      if (own === turn) state.results[state.selected + 1] = { failed: error.message };
    }
  }
  if (own !== turn) return;
  showSteps();
  showResult();
}

async function runEverything(own) {
  const edited = (step, call) => (state.side === 'hand' ? state.edits.get(step)?.get(call) : undefined);
  const results = await runAll(scimEdge, state.mapping, state.steps, edited);
  if (own === turn) state.results = results;
}

async function runSelectedLive() {
  const { selected } = state;
  const earlier = state.results.slice(0, selected + 1).findLast((it) => it?.tables);
  const result = await runLive(scimEdge, state.mapping, state.steps[selected], demo, state.known);
  state.results[selected] ??= { tables: earlier?.tables };
  state.results[selected + 1] = result;
}

// What is shown.

function showProblems() {
  const first = problems.slice(0, 20).map((it) =>
    element(
      'button',
      { type: 'button', className: it.severity, onclick: () => goTo(mapping, it) },
      element('span', { className: 'at' }, `${it.line}:${it.column}`),
      ' ',
      ...prose(it.message),
      it.suggestion && element('span', { className: 'suggestion' }, ...prose(it.suggestion)),
    ),
  );
  const errors = problems.filter((it) => it.severity === 'error').length;
  byId('problems').replaceChildren(
    ...(first.length ? first : [element('p', { className: 'fine' }, 'No mistakes.')]),
  );
  document.body.classList.toggle('broken', errors > 0);
}

function showSteps() {
  const hadFocus = byId('steps').contains(document.activeElement);
  byId('steps').replaceChildren(
    ...state.steps.map((step, index) => {
      const result = state.results[index + 1];
      const status = result?.told?.response.status;
      return element(
        'li',
        {},
        element(
          'button',
          { type: 'button', 'aria-current': index === state.selected ? 'step' : 'false', onclick: () => select(index) },
          element('span', { className: 'title' }, step.title),
          element('span', { className: 'short' }, `${step.method} ${step.target}`),
          element('span', { className: `status ${status >= 400 ? 'warn' : 'good'}` }, status ?? ''),
        ),
      );
    }),
  );
  if (hadFocus) byId('steps').children[state.selected].firstChild.focus();
}

function showRequest() {
  const step = state.steps[state.selected];
  byId('method').value = step.method;
  byId('target').value = step.target;
  setText(body, step.body);
  showBody();
}

const showBody = () => (byId('body-editor').hidden = ['GET', 'DELETE'].includes(byId('method').value));

function showResult() {
  const at = state.selected + 1;
  const result = state.results[at];
  const shown = result?.failed
    ? [element('p', { className: 'failed' }, result.failed)]
    : result?.told
      ? diagram(result, opened)
      : [element('p', { className: 'hint' }, state.side === 'live' ? 'Run sends this request to the demo.' : '')];
  byId('exchange').replaceChildren(...shown.filter(Boolean));
  showSide(result, state.results[at - 1]);
}

const NOTES = {
  page: 'An application in this page, which behaves as the mapping says and begins anew with every run.',
  live: 'The demo’s own application, behind the module that the demo runs with its own mapping.',
};

function showSide(result, earlier) {
  if (state.side === 'hand') {
    refill(
      byId('side'),
      ...replies(result?.told?.calls ?? [], (call, reply) => {
        const { selected } = state;
        if (!state.edits.has(selected)) state.edits.set(selected, new Map());
        state.edits.get(selected).set(call, reply);
        run();
      }),
    );
    return;
  }
  const now = result?.tables ?? earlier?.tables ?? state.results[0]?.tables ?? [];
  byId('side').replaceChildren(element('p', { className: 'hint' }, NOTES[state.side]), ...tables(now, earlier?.tables));
  for (const wide of byId('side').querySelectorAll('.wide')) {
    const [first] = wide.querySelectorAll('td.changed');
    if (first && first.offsetLeft + first.offsetWidth > wide.clientWidth) wide.scrollLeft = first.offsetLeft - first.parentElement.firstChild.offsetWidth;
  }
}

// Menus, tabs and keys.

const CUSTOM = 'Your own';

function fillMenus() {
  byId('mappings').append(...Object.keys(mappings).map((name) => element('option', { value: name }, name)), element('option', { value: CUSTOM, hidden: true }, CUSTOM));
  byId('sequences').append(...sequences.map((it, index) => element('option', { value: index }, it.name)), element('option', { value: 'shared', hidden: true }, 'From a link'));
  const sides = [['page', 'In this page'], ['hand', 'By hand'], ...(demo ? [['live', 'Live demo']] : [])];
  byId('sides').append(
    ...sides.map(([value, text]) =>
      element('label', {}, element('input', { type: 'radio', name: 'side', value, checked: value === state.side, onchange: () => choose(value) }), element('span', {}, text)),
    ),
  );
}

async function choose(side) {
  Object.assign(state, { side, results: [], known: {} });
  if (side === 'live') {
    byId('mappings').value = 'example';
    setText(mapping, mappings.example);
    state.results = [{ tables: (await demo.state()).tables }];
    showSteps();
    showResult();
  } else {
    run();
  }
}

byId('mappings').addEventListener('change', ({ target }) => setText(mapping, mappings[target.value]));
byId('sequences').addEventListener('change', ({ target }) => begin(steps(sequences[target.value])));
byId('run').addEventListener('click', run);
byId('method').addEventListener('change', ({ target }) => (edit({ method: target.value }), showBody(), showSteps()));
byId('target').addEventListener('input', ({ target }) => (edit({ target: target.value }), showSteps()));
byId('request').addEventListener('submit', (event) => (event.preventDefault(), run()));
byId('add').addEventListener('click', () => {
  state.steps.push({ title: 'Your request', method: 'GET', target: '/Users', body: '' });
  select(state.steps.length - 1);
  soon();
  byId('target').focus();
});
byId('remove').addEventListener('click', () => {
  if (state.steps.length < 2) return;
  state.steps.splice(state.selected, 1);
  state.edits.clear();
  select(Math.min(state.selected, state.steps.length - 1));
  soon();
});
byId('steps').addEventListener('keydown', (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const index = state.selected + step;
  if (!step || !state.steps[index]) return;
  event.preventDefault();
  select(index);
});
addEventListener('keydown', (event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !event.defaultPrevented) run();
});

const tabs = [...document.querySelectorAll('.tabs [role=tab]')];
for (const [index, tab] of tabs.entries()) {
  const show = () => {
    for (const other of tabs) {
      other.setAttribute('aria-selected', String(other === tab));
      other.tabIndex = other === tab ? 0 : -1;
      byId(other.getAttribute('aria-controls')).toggleAttribute('data-shown', other === tab);
    }
    tab.focus();
  };
  tab.addEventListener('click', show);
  tab.addEventListener('keydown', ({ key }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step) tabs.at((index + step) % tabs.length).click();
  });
}

byId('theme').addEventListener('click', () => {
  const { style } = document.documentElement;
  const isDark = (style.colorScheme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
  style.colorScheme = isDark ? 'light' : 'dark';
});

// Links: a mapping that is shipped goes by its name.

byId('share').addEventListener('click', async ({ target }) => {
  const name = Object.keys(mappings).find((it) => mappings[it] === state.mapping);
  const given = state.steps.map(({ title, method, target, body, as }) => ({ title, method, target, body, as }));
  history.replaceState(null, '', await toFragment({ mapping: name ? { name } : { text: state.mapping }, steps: given, selected: state.selected }));
  await navigator.clipboard?.writeText(location.href).catch(() => {});
  target.textContent = 'Link copied';
  setTimeout(() => (target.textContent = 'Copy link'), 1500);
});

async function open() {
  const shared = await fromFragment(location.hash);
  const isSound = shared?.mapping && Array.isArray(shared.steps) && shared.steps.length;
  const text = isSound ? (mappings[shared.mapping.name] ?? shared.mapping.text) : undefined;
  byId('sequences').value = isSound ? 'shared' : '0';
  setText(mapping, String(text ?? mappings.example));
  const given = isSound
    ? shared.steps.map((it) => ({ title: String(it.title ?? 'Your request'), method: String(it.method), target: String(it.target), body: String(it.body ?? ''), as: it.as }))
    : steps(sequences[0]);
  begin(given, isSound ? Math.min(Math.max(Number(shared.selected) || 0, 0), given.length - 1) : 1);
  document.documentElement.dataset.shown = '';
  performance.mark('shown');
  await run();
}

function named() {
  byId('mappings').value = Object.keys(mappings).find((name) => mappings[name] === state.mapping) ?? CUSTOM;
}

fillMenus();
addEventListener('hashchange', open);
await open();
performance.mark('ready');
document.documentElement.dataset.ready = '';
