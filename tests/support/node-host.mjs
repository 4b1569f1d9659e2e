// Runs cases in Node for `node.rs`: one JSON object a line, both ways. A line from there is a case or the reply to a call, a
// line from here a call, the response to a case, or what went wrong.
import { createInterface } from 'node:readline';
import { ScimEdge } from 'scim-edge';

const replies = new Map();
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
const base64 = (bytes) => Buffer.from(bytes ?? []).toString('base64');
const bytes = (text) => Buffer.from(text, 'base64');
// Header fields are bytes to JavaScript.
const fields = (headers) => [...headers].map(([name, value]) => [name, Buffer.from(value, 'latin1').toString()]);
const headers = (fields) => fields.map(([name, value]) => [name, Buffer.from(value).toString('latin1')]);

async function run({ mapping, environment, request }) {
  const scim = new ScimEdge(mapping, environment);
  let calls = 0;
  const fetch = (url, init) => {
    const origin = environment.SCIM_EDGE_UPSTREAM;
    const target = url.startsWith(origin) ? url.slice(origin.length) : url;
    const call = (calls += 1);
    say({ call, method: init.method, target, headers: fields(init.headers), body: base64(init.body) });
    return new Promise((resolve, reject) => replies.set(call, { resolve, reject }));
  };
  const body = request.body ? bytes(request.body) : undefined;
  const init = { method: request.method, headers: headers(request.headers), body };
  const url = `http://scim.example.com${request.target.replaceAll('"', '%22')}`;
  // A `Request` takes dot segments out of its address, which is nothing to rely on.
  const incoming = Object.defineProperty(new Request(url, init), 'url', { value: url });
  const response = await scim.handle(incoming, { fetch });
  return { status: response.status, headers: fields(response.headers), body: base64(await response.arrayBuffer()) };
}

function reply({ call, status, headers: own, body, failure }) {
  const { resolve, reject } = replies.get(call);
  replies.delete(call);
  if (failure) return reject(failure === 'timeout' ? new DOMException('', 'TimeoutError') : new TypeError('fetch failed'));
  const empty = status === 204 || status === 304;
  resolve(new Response(empty ? null : bytes(body), { status, headers: headers(own) }));
}

for await (const line of createInterface({ input: process.stdin })) {
  const message = JSON.parse(line);
  if (message.call) reply(message);
  else run(message).then((response) => say({ response }), (error) => say({ error: `${error.stack}` }));
}
