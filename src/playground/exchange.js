// One SCIM request as a sequence diagram: identity provider, scim-edge and application from left to right.
import { differences, written } from './differences.js';
import { element, prose } from './dom.js';
import { pretty } from './json.js';

/** The diagram of a result; `opened` keeps which messages are open from one to the next. */
export function diagram({ told, before, after }, opened) {
  const { request, calls, response, quirks } = told;
  const messages = [
    message('asks', 'scim', request, opened),
    ...calls.flatMap((call, index) => [
      message('calls', `call ${index}`, call, opened, written(call, calls.slice(0, index))),
      message('replies', `reply ${index}`, call.reply, opened),
    ]),
    message('answers', 'answer', response, opened, before && response.body ? changedPaths(before, response.body) : undefined),
  ];
  return [
    element('div', { className: 'actors', 'aria-hidden': 'true' }, ...['Identity provider', 'scim-edge', 'Application'].map((it) => element('span', {}, it))),
    element('ol', { className: 'messages' }, ...messages),
    !calls.length && element('p', { className: 'hint' }, 'No native call was needed.'),
    before && after && changes(before, after),
    quirks.length > 0 && understood(quirks),
  ];
}

const changedPaths = (before, after) => {
  const found = differences(before, after).filter((it) => it.after !== undefined);
  return new Map(found.map((it) => [it.path, it.before]));
};

const LABELS = { asks: 'SCIM request', calls: 'native call', replies: 'reply', answers: 'SCIM response' };

function message(way, name, it, opened, changed) {
  const details = element('details', { open: opened.has(name) }, summary(way, it, changed), ...content(it, changed));
  details.addEventListener('toggle', () => (details.open ? opened.add(name) : opened.delete(name)));
  return element('li', { className: `message ${way}` }, details);
}

function summary(way, it, changed) {
  const label = element('span', { className: 'visually-hidden' }, `${LABELS[way]}: `);
  const marks = changed?.size > 0 && element('span', { className: 'count' }, `${changed.size} changed`);
  if (it.method) {
    return element(
      'summary',
      {},
      label,
      element('span', { className: 'method' }, it.method),
      ' ',
      element('span', { className: 'target' }, readable(it.target)),
      marks,
    );
  }
  const { status, failure } = it;
  const kind = status === null ? 'bad' : status >= 500 ? 'bad' : status >= 400 ? 'warn' : 'good';
  return element(
    'summary',
    {},
    label,
    element('span', { className: `status ${kind}` }, status === null ? failure : String(status)),
    ' ',
    element('span', { className: 'target' }, status === null ? 'no reply' : gist(it.body)),
    marks,
  );
}

/** What a body is about, in a few words. */
function gist(body) {
  if (body === undefined) return 'a body that is not kept';
  if (body === null || body === '') return 'no body';
  if (typeof body === 'string') return 'text';
  if (body.detail) return body.detail;
  if ('totalResults' in body) return `${body.totalResults} found`;
  if (body.schemas && body.id) return body.userName ?? body.displayName ?? body.id;
  const rows = [body, ...Object.values(body)].find(Array.isArray);
  if (rows) return rows.length === 1 ? '1 row' : `${rows.length} rows`;
  const [only, ...others] = Object.values(body);
  const object = only && typeof only === 'object' && !others.length ? only : body;
  const { id, login, name } = object;
  return [id, login ?? name].filter((it) => it !== undefined && typeof it !== 'object').join(' · ') || Object.keys(object).join(', ');
}

function content(it, changed) {
  const headers = Object.entries(it.headers ?? {});
  const body = it.body === null || it.body === undefined || it.body === '' ? undefined : it.body;
  return [
    element(
      'div',
      { className: 'content' },
      it.method && element('p', { className: 'wire' }, `${it.method} ${it.target}`),
      headers.length > 0 &&
        element('dl', { className: 'headers' }, ...headers.flatMap(([name, value]) => [element('dt', {}, name), element('dd', {}, value)])),
      body === undefined ? element('p', { className: 'hint' }, gist(it.body)) : pretty(body, changed),
    ),
  ];
}

export function readable(target) {
  try {
    return decodeURIComponent(target);
  } catch {
    return target;
  }
}

function changes(before, after) {
  const found = differences(before, after);
  if (!found.length) return element('p', { className: 'hint' }, 'Nothing has changed.');
  const shown = (value) => (value === undefined ? element('span', { className: 'none' }, '–') : JSON.stringify(value));
  return element(
    'section',
    { className: 'changes' },
    element('h3', {}, 'What has changed'),
    element(
      'dl',
      {},
      ...found.flatMap((it) => [
        element('dt', {}, it.path.replace('urn:ietf:params:scim:schemas:extension:', '…:')),
        element('dd', {}, element('del', {}, shown(it.before)), ' → ', element('ins', {}, shown(it.after))),
      ]),
    ),
  );
}

function understood(quirks) {
  return element(
    'section',
    { className: 'quirks' },
    element('h3', {}, 'Beyond the RFCs, and understood'),
    ...quirks.map((it) =>
      element(
        'details',
        {},
        element('summary', {}, it.name),
        element('p', {}, ...prose(it.trigger)),
        element('p', { className: 'hint' }, 'Sent by ', ...prose(it.source), '. With ', element('code', {}, 'strict: true'), ': ', ...prose(it.strict), '.'),
      ),
    ),
  );
}
