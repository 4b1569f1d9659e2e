// The application's side: tables of what is in it, and replies to be written by hand.
import { element } from './dom.js';
import { readable } from './exchange.js';

/** The tables of a state; what differs from the state before is marked. */
export function tables(now, before = now) {
  return now.map((table) => {
    const old = before.find((it) => it.resource === table.resource) ?? { rows: [] };
    const gone = old.rows.filter((row) => !table.rows.some((it) => it.id === row.id));
    const columns = table.columns.filter(
      (_, index) => index === 0 || [...table.rows, ...gone].some((row) => row.cells[index] !== null),
    );
    const places = columns.map((name) => table.columns.indexOf(name));
    const hasMembers = table.rows.some((row) => row.members);
    const cells = (row, was) =>
      places.map((at) => cell(row.cells[at], was && was.cells[at])).toSpliced(2, 0, hasMembers && members(row.members ?? [], was?.members));
    const line = (row, was, state) => element('tr', { className: state }, ...cells(row, was));
    return element(
      'section',
      { className: 'table' },
      element('h3', {}, table.resource, ' ', element('code', {}, table.path ?? '')),
      element(
        'div',
        { className: 'wide', tabIndex: 0, role: 'region', 'aria-label': `${table.resource} table` },
        element(
          'table',
          {},
          element('thead', {}, element('tr', {}, ...columns.map(head).toSpliced(2, 0, hasMembers && head('members')))),
          element(
            'tbody',
            {},
            ...table.rows.map((row) => {
              const was = old.rows.find((it) => it.id === row.id);
              return line(row, was, was ? '' : 'new');
            }),
            ...gone.map((row) => line(row, undefined, 'gone')),
          ),
        ),
      ),
      !table.rows.length && !gone.length && element('p', { className: 'hint' }, 'Nothing is in it.'),
    );
  });
}

const head = (name) => element('th', { scope: 'col' }, name);

const text = (value) =>
  value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value);

function cell(value, was) {
  const isChanged = was !== undefined && text(value) !== text(was);
  return element('td', { className: isChanged ? 'changed' : '', title: isChanged ? `was ${text(was) || 'empty'}` : '' }, text(value));
}

function members(names, was) {
  const isChanged = was && was.join('\n') !== names.join('\n');
  return element('td', { className: isChanged ? 'changed' : '', title: isChanged ? `was ${was.join(', ') || 'empty'}` : '' }, names.join(', '));
}

/** A card for each reply, to be edited. `change` takes the call's number, status and body. */
export function replies(calls, change) {
  if (!calls.length) return [element('p', { className: 'hint' }, 'The selected request makes no native call.')];
  return [
    element('p', { className: 'hint' }, 'Edit a reply, and see what the client gets. Status 0: there is no reply.'),
    ...calls.map((call, index) => {
      const status = element('input', { type: 'number', min: 0, max: 599, value: call.reply.status ?? 0, 'aria-label': `Status of reply ${index + 1}` });
      const { body } = call.reply;
      const value = body === null || body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body, null, 2);
      const field = element('textarea', { value, spellcheck: false, rows: Math.min(14, value.split('\n').length + 1), 'aria-label': `Body of reply ${index + 1}` });
      const changed = () => change(index, { status: Number(status.value), body: field.value });
      status.addEventListener('change', changed);
      field.addEventListener('change', changed);
      return element(
        'section',
        { className: 'card' },
        element('h3', {}, `${index + 1}. `, element('code', {}, `${call.method} ${readable(call.target)}`)),
        element('label', {}, 'Status ', status),
        field,
      );
    }),
  ];
}
