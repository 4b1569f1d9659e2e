// Differences of JSON documents, by path: `name.givenName`, `emails[0].value`.

/** Everything in a document that is neither an object nor a list, by path. */
export function leaves(value, path = '', found = new Map()) {
  if (Array.isArray(value)) value.forEach((item, index) => leaves(item, `${path}[${index}]`, found));
  else if (value && typeof value === 'object') {
    for (const [name, inner] of Object.entries(value)) leaves(inner, path ? `${path}.${name}` : name, found);
  } else if (value !== undefined) found.set(path, value);
  return found;
}

// They change with every write.
const OF_COURSE = /^meta\.(version|lastModified)$/;

/** What differs between two documents: `[{ path, before, after }]`, `undefined` where there is nothing. */
export function differences(before, after) {
  const [old, young] = [leaves(before), leaves(after)];
  const paths = new Set([...old.keys(), ...young.keys()].filter((path) => !OF_COURSE.test(path)));
  return [...paths]
    .map((path) => ({ path, before: old.get(path), after: young.get(path) }))
    .filter((it) => it.before !== it.after);
}

/**
 * What the body of a write changes of what was read from the same place before: a map from the body's paths to what stood
 * there. Objects may be wrapped, in the reply or in the body.
 */
export function written(call, earlier) {
  const path = (target) => target.split('?', 1)[0];
  const read = earlier.findLast((it) => it.method === 'GET' && path(it.target) === path(call.target) && it.reply.body);
  const changed = new Map();
  if (!read || !call.body || typeof call.body !== 'object') return changed;
  const old = leaves(read.reply.body);
  const sent = leaves(call.body);
  for (const wrap of ['', ...wraps(read.reply.body)]) {
    for (const unwrap of ['', ...wraps(call.body)]) {
      if (![...sent.keys()].some((at) => old.has(wrap + at.slice(unwrap.length)) && at.startsWith(unwrap))) continue;
      for (const [at, value] of sent) {
        const before = at.startsWith(unwrap) ? old.get(wrap + at.slice(unwrap.length)) : undefined;
        if (before !== value) changed.set(at, before);
      }
      return changed;
    }
  }
  return changed;
}

const wraps = (body) => {
  const [[name, only] = [], ...others] = Object.entries(body);
  return !others.length && only && typeof only === 'object' && !Array.isArray(only) ? [`${name}.`] : [];
};
