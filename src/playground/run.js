// Steps, one after the other, in front of an application that begins anew: what comes out depends on the mapping and the
// steps alone.

const ROOT = 'https://scim.example.com/scim/v2';
const LINKS = { Users: 'user', Groups: 'group' };

/**
 * Runs the steps. `edited` gives the reply that was written by hand for a step's native call, by their numbers. The results:
 * `[{ told, before, after, tables }]`, the first of them being what there is at the beginning.
 */
export async function runAll({ ScimEdge, Application, placeholders }, mapping, steps, edited) {
  const env = placeholders(mapping);
  const scim = new ScimEdge(mapping, env);
  const application = new Application(mapping, env);
  const seeded = application.tables();
  const known = Object.fromEntries(seeded.map((it) => [it.resource.toLowerCase(), it.rows[0]?.id]));
  const ask = (step, fetch) => scim.explain(request(ROOT, step, { authorization: 'Bearer explain' }), { fetch });
  const results = [{ tables: seeded }];
  for (const [index, written] of steps.entries()) {
    const step = filled(written, known);
    const resource = /^\/(?:Users|Groups)\/[^/?]+/.exec(step.target)?.[0];
    const isChange = resource && ['PATCH', 'PUT'].includes(step.method);
    const look = async () => (await ask({ method: 'GET', target: resource }, application.fetch)).response;
    const before = isChange ? await look() : undefined;
    const told = await ask(step, byHand(application.fetch, (call) => edited(index, call)));
    const after = isChange ? await look() : undefined;
    told.request.body = step.body ? parsed(step.body) : null;
    learn(known, step, told.response);
    results.push({ told, tables: application.tables(), ...seen(before, after) });
  }
  return results;
}

const seen = (before, after) => (before?.status === 200 && after?.status === 200 ? { before: before.body, after: after.body } : {});

/** Runs one step in front of the demo's own application, behind the module that the demo runs. */
export async function runLive({ ScimEdge, placeholders }, mapping, step, demo, known) {
  const filledStep = filled(step, known);
  const first = (await demo.state()).count;
  const response = await fetch(request(`${location.origin}/scim/v2`, filledStep, { authorization: `Bearer ${demo.token}` }));
  const text = await response.text();
  const { calls, tables } = await demo.state(first);
  // The application keeps no bodies of replies.
  for (const { reply } of calls) if (reply.status !== 204) delete reply.body;
  // The module behind the demo does not tell what it understood; the same engine in this page does.
  const { quirks } = await new ScimEdge(mapping, placeholders(mapping)).explain(
    request(ROOT, filledStep, { authorization: 'Bearer explain' }),
  );
  const { pathname, search } = new URL(response.url);
  const answer = { status: response.status, headers: Object.fromEntries(response.headers), body: parsed(text) };
  learn(known, step, answer);
  const sent = { method: step.method, target: pathname + search, body: filledStep.body ? parsed(filledStep.body) : null };
  return { told: { request: sent, quirks, calls, response: answer }, tables };
}

const parsed = (text) => {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return text;
  }
};

function request(root, { method, target, body }, headers) {
  const has = body && !['GET', 'DELETE'].includes(method);
  const path = target.startsWith('/') ? target : `/${target}`;
  // A fragment would not be sent.
  return new Request(root + path.replaceAll('#', '%23'), {
    method,
    headers: has ? { ...headers, 'content-type': 'application/scim+json' } : headers,
    ...(has && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
}

/** A step with ids in place of `{user}` and the like. */
function filled(step, known) {
  const fill = (text) => text.replace(/\{(\w+)\}/g, (whole, name) => known[name] ?? whole);
  const text = typeof step.body === 'string' || step.body === undefined ? step.body : JSON.stringify(step.body);
  return { ...step, target: fill(step.target), body: text && fill(text) };
}

function learn(known, { target, as }, { body }) {
  const kind = LINKS[/^\/(\w+)/.exec(target)?.[1]];
  const id = body?.id ?? body?.Resources?.[0]?.id;
  if (kind && id) known[as ?? kind] = id;
}

// The calls of a request in the order in which they are made.
function byHand(fetch, edited) {
  let number = -1;
  return async (url, init) => {
    number += 1;
    const reply = edited(number);
    const usual = await fetch(url, init);
    if (!reply) return usual;
    if (reply.status < 200) throw new TypeError('no reply');
    const isEmpty = [204, 205, 304].includes(reply.status);
    return new Response(isEmpty ? null : reply.body, { status: reply.status, headers: usual.headers });
  };
}
