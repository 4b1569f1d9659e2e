// The API of the npm package, used as its types say: `tsc --strict` must take this file, and Node must run what comes out.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const begun = performance.now();
const { Application, ScimEdge, ScimEdgeError, check, placeholders } = await import('scim-edge');
import type { Diagnostic, ExplainedCall, Explanation, Fetch, NativeCall, Quirk, Table } from 'scim-edge';

const mapping = readFileSync(process.argv[2]!, 'utf8');
const scim = new ScimEdge(mapping, placeholders(mapping));
console.log(`npm package: ready in ${Math.round(performance.now() - begun)} ms`);

const authorization = 'Bearer explain';
const users = 'https://scim.example.com/scim/v2/Users';
const get = (url: string, headers: HeadersInit = { authorization }) => new Request(url, { headers });
const equal = <T>(found: T, expected: T) => assert.deepEqual(found, expected);

// Diagnostics are data, and what is thrown has all of them.
equal<Diagnostic[]>(check(mapping), []);
const broken = mapping.replace('native: login', 'nativ: login').replace('otherwise: scan', 'otherwise: scam');
const codes: string[] = check(broken).map((it) => it.code);
assert(codes.includes('M003') && codes.includes('M006'), `${codes}`);
const [{ file, line, column, severity, message, suggestion }] = check(broken) as [Diagnostic];
equal([file, severity], ['mapping', 'error'] as const as [string, string]);
assert(line > 1 && column > 1 && message && suggestion);
assert.throws(() => new ScimEdge(broken, placeholders(mapping)), (error: unknown) => {
  assert(error instanceof ScimEdgeError && error instanceof Error && error.name === 'ScimEdgeError');
  const found: Diagnostic[] = error.diagnostics;
  for (const { code, message } of found) assert(error.message.includes(code) && error.message.includes(message));
  return codes.every((code) => found.some((it) => it.code === code));
});
for (const [name, value, text] of [
  ['SCIM_EDGE_TOKENS', undefined, 'SCIM_EDGE_TOKENS is not set'],
  ['SCIM_EDGE_TOKENS', { get: () => 'a binding' }, 'SCIM_EDGE_TOKENS is not set'],
  ['SCIM_EDGE_UPSTREAM', '', 'SCIM_EDGE_UPSTREAM` is not set'],
  ['SCIM_EDGE_UPSTREAM', 'app', 'is `app`'],
] as const) {
  const make = () => new ScimEdge(mapping, { ...placeholders(mapping), [name]: value });
  assert.throws(make, (error) => error instanceof ScimEdgeError && !error.diagnostics.length && error.message.includes(text));
}

// Paths.
assert(scim.owns(get(users)) && !scim.owns(get('https://scim.example.com/login?next=/scim/v2')));
equal((await scim.handle(get('https://scim.example.com/login'))).status, 404);

// A request is explained without a call, and without a secret.
const planned: Explanation = await scim.explain(get(`${users}?filter=userName%20eq%20%22bjensen%22`));
equal(planned.request, { method: 'GET', target: '/scim/v2/Users?filter=userName%20eq%20%22bjensen%22' });
equal(planned.response.status, 200);
equal(planned.calls.length, 1);
const [plannedCall] = planned.calls as [ExplainedCall];
assert(plannedCall.target.startsWith('/api/v2/users?login=bjensen'));
equal([plannedCall.method, plannedCall.headers['x-api-key'], plannedCall.body], ['GET', '<NATIVE_API_KEY>', null]);
assert(plannedCall.reply.assumed && plannedCall.reply.status === 200);
equal(planned.quirks, []);
const [quirk] = (await scim.explain(get(`${users}/7?aadOptscim062020`))).quirks as [Quirk];
equal(quirk.name, 'unknown-parameter');
assert(quirk.trigger && quirk.source && quirk.strict);
equal((await scim.explain(get(users, {}))).response.status, 401);

// Calls are made by the function that is given, and each is seen with its reply.
const seen: [string, NativeCall][] = [];
const app: Fetch = async (url, init) => {
  seen.push([url, init]);
  return Response.json({ data: { id: 7, login: 'bjensen', status: 'ACTIVE' } });
};
const secret = new ScimEdge(mapping, { ...placeholders(mapping), NATIVE_API_KEY: 'hunter2-ü', SCIM_EDGE_UPSTREAM: 'https://app.example.com/' });
const lines: string[] = [];
const response: Response = await secret.handle(get(`${users}/7?attributes=userName,meta`), { fetch: app, log: (line) => lines.push(line) });
equal(response.status, 200);
equal((await response.json()).meta.location, `${users}/7`);
const [[url, init]] = seen as [[string, NativeCall]];
equal([url, init.method, init.body, init.redirect], ['https://app.example.com/api/v2/users/7', 'GET', undefined, 'manual']);
// Header fields are bytes, here of UTF-8.
equal(Buffer.from(init.headers.get('x-api-key')!, 'latin1').toString(), 'hunter2-ü');
assert.match(lines.join('\n'), /^scim-edge: GET \/scim\/v2\/Users\/7 200 calls=1 ms=\d+$/);
const made = await secret.explain(get(`${users}/7`), { fetch: app });
equal(made.calls[0]?.reply.assumed, false);
assert(!JSON.stringify(made).includes('hunter2') && JSON.stringify(made).includes('bjensen'));

// The application in memory.
const application = new Application(mapping, placeholders(mapping));
const inMemory = { fetch: application.fetch };
const userName = 'jdoe@example.com';
const create = () => {
  const init = { method: 'POST', headers: { authorization, 'content-type': 'application/scim+json' }, body: JSON.stringify({ userName }) };
  return scim.handle(new Request(users, init), inMemory);
};
equal((await create()).status, 201);
equal((await create()).status, 409);
const listed = await (await scim.handle(get(`${users}?filter=${encodeURIComponent(`userName eq "${userName}"`)}`), inMemory)).json();
equal(listed.totalResults, 1);
const [people, teams] = application.tables() as [Table, Table];
equal([people.resource, people.path, people.columns[0]], ['User', '/api/v2/users', 'id']);
equal([people.rows.length, people.rows[0]?.members], [4, null]);
equal(teams.rows[0]?.members, ['bjensen@example.com', 'mpepperidge@example.com']);
assert.throws(() => new Application(broken, placeholders(mapping)), ScimEdgeError);

// Why there is no reply.
const never = () => new Promise<Response>(() => {});
const hasty = new ScimEdge(mapping.replace('\nresources:', '\nlimits: { call: 1 }\nresources:'), placeholders(mapping));
for (const [fetch, status, text] of [
  [never, 504, 'in time'],
  [async () => Promise.reject(new DOMException('', 'TimeoutError')), 504, 'in time'],
  [async () => Promise.reject(new TypeError('fetch failed')), 502, 'refused or broke'],
  [async () => Response.error(), 502, 'refused or broke'],
  [() => { throw new Error('at once'); }, 502, 'refused or broke'],
  [async () => Response.redirect('https://elsewhere.example.com/'), 502, 'native status 302'],
  [async () => new Response(new Uint8Array((16 << 20) + 1)), 502, 'too large'],
] satisfies [Fetch, number, string][]) {
  const answer = await hasty.handle(get(`${users}/7`), { fetch });
  const { detail } = await answer.json();
  assert(answer.status === status && detail.includes(text), `${answer.status} ${detail}`);
}

// A client that is gone: the call is aborted, and so is the answer.
const client = new AbortController();
let aborted = false;
const slow: Fetch = (_, { signal }) => {
  signal.addEventListener('abort', () => (aborted = true));
  setTimeout(() => client.abort(new Error('the client is gone')));
  return never();
};
const gone = new Request(`${users}/7`, { headers: { authorization }, signal: client.signal });
await assert.rejects(scim.handle(gone, { fetch: slow }), /the client is gone/);
assert(aborted);

// What the types refuse.
// @ts-expect-error a mapping is text
assert.throws(() => check());
// @ts-expect-error settings are needed
assert.throws(() => new ScimEdge(mapping));
// @ts-expect-error a URL is no request
await assert.rejects(scim.handle(users));
// @ts-expect-error not every reply has a status
const status: number = (made.calls[0] as ExplainedCall).reply.status;
// @ts-expect-error there is no such severity
const wrong: Diagnostic['severity'] = 'fatal';
void [status, wrong];
