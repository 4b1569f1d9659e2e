import { element } from './dom.js';

/** JSON for reading. `changed` has the paths to mark, with what stood there before. */
export function pretty(value, changed = new Map()) {
  if (typeof value === 'string') return element('pre', { className: 'json', tabIndex: 0 }, value);
  return element('pre', { className: 'json', tabIndex: 0 }, ...lines(value, changed, '', ''));
}

function lines(value, changed, path, indent) {
  if (value === null || typeof value !== 'object') {
    return [element('span', { className: value === null ? 'null' : typeof value }, JSON.stringify(value))];
  }
  const isList = Array.isArray(value);
  const [open, close] = isList ? ['[', ']'] : ['{', '}'];
  const entries = Object.entries(value);
  if (!entries.length) return [open + close];
  const inner = `${indent}  `;
  const parts = entries.flatMap(([name, item], index) => {
    const at = isList ? `${path}[${name}]` : path ? `${path}.${name}` : name;
    const key = isList ? [] : [element('span', { className: 'key' }, JSON.stringify(name)), ': '];
    const line = [...key, ...lines(item, changed, at, inner), index < entries.length - 1 ? ',' : ''];
    return [`\n${inner}`, ...(changed.has(at) ? [marked(line, changed.get(at))] : line)];
  });
  return [open, ...parts, `\n${indent}${close}`];
}

const marked = (line, before) =>
  element('mark', {}, ...line, element('span', { className: 'was' }, before === undefined ? ' new' : ` was ${JSON.stringify(before)}`));
