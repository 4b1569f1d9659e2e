// What can stand at a place of a mapping, as the language's JSON Schema says.
import schema from './mapping.schema.json';

const KEY = /^(?:'((?:[^']|'')*)'|"([^"]*)"|([^\s'"#{}[\],&*!|>%@`-][^#{}[\],]*?))\s*:(?=\s|$)/;

/** A source of completions for CodeMirror. */
export function complete(context) {
  const word = context.matchBefore(/[\w$.-]*/);
  if (!context.explicit && word.from === word.to) return null;
  const { path, isValue } = place(context.state.sliceDoc(0, word.from));
  const schemas = path.reduce((found, key) => found.flatMap((it) => below(it, key)), resolved(schema));
  const options = schemas.flatMap(isValue ? values : keys);
  const distinct = options.filter((option, at) => options.findIndex((it) => it.label === option.label) === at);
  return distinct.length ? { from: word.from, options: distinct, validFor: /^[\w$.-]*$/ } : null;
}

/** Where a text ends: the keys that lead there (`-` for an element), and whether a value is due. */
export function place(text) {
  const lines = text.split('\n');
  const block = [];
  const flow = [];
  let isValue = false;
  for (const [number, line] of lines.entries()) {
    let rest = line;
    if (!flow.length) {
      const isLast = number === lines.length - 1;
      let indent = line.length - line.trimStart().length;
      rest = line.slice(indent);
      if (!isLast && (!rest || rest.startsWith('#'))) continue;
      while (block.length && block.at(-1).indent >= indent) block.pop();
      for (let dash; (dash = /^-\s+/.exec(rest)); ) {
        block.push({ indent, key: '-' });
        indent += dash[0].length;
        rest = rest.slice(dash[0].length);
      }
      const key = KEY.exec(rest);
      isValue = Boolean(key);
      if (key) {
        block.push({ indent, key: key[1] ?? key[2] ?? key[3] });
        rest = rest.slice(key[0].length);
      }
    }
    inFlow(rest, flow);
  }
  const inner = flow.at(-1);
  const path = [...block.map((it) => it.key), ...flow.map((it) => (it.isList ? '-' : it.key))];
  if (inner) isValue = inner.isList || inner.key !== undefined;
  return { path: path.filter((key) => key !== undefined), isValue };
}

// Follows the braces and brackets of a line.
function inFlow(line, flow) {
  let token = '';
  for (let at = 0; at < line.length; at += 1) {
    const c = line[at];
    if (c === '#' && /\s|^$/.test(line[at - 1] ?? '')) return;
    if (c === "'" || c === '"') {
      const end = line.indexOf(c, at + 1);
      if (end < 0) return;
      token = line.slice(at + 1, end);
      at = end;
    } else if (c === '{' || c === '[') {
      flow.push({ isList: c === '[', key: undefined });
      token = '';
    } else if (c === '}' || c === ']') {
      flow.pop();
      token = '';
    } else if (c === ',') {
      if (flow.length) flow.at(-1).key = undefined;
      token = '';
    } else if (c === ':' && /\s|^$/.test(line[at + 1] ?? '')) {
      if (flow.length) flow.at(-1).key = token.trim();
      token = '';
    } else {
      token += c;
    }
  }
}

/** The alternatives that a schema has. */
function resolved(it) {
  if (it.$ref) return resolved(schema.$defs[it.$ref.split('/').at(-1)]);
  const several = it.anyOf ?? it.oneOf;
  return several ? several.flatMap(resolved) : [it];
}

const below = (it, key) => {
  if (key === '-') return it.items ? resolved(it.items) : [];
  const inner = it.properties?.[key] ?? it.additionalProperties;
  return inner ? resolved(inner) : [];
};

const keys = (it) =>
  Object.entries(it.properties ?? {}).map(([label, property]) => ({
    label,
    type: 'property',
    info: property.description,
    detail: it.required?.includes(label) ? 'required' : undefined,
    boost: it.required?.includes(label) ? 1 : 0,
    apply: `${label}: `,
  }));

const values = (it) => {
  const types = [it.type].flat();
  if ('const' in it) return [{ label: String(it.const), type: 'constant', info: it.description }];
  if (types.includes('boolean') && types.length === 1) return ['true', 'false'].map((label) => ({ label, type: 'keyword' }));
  return [];
};
