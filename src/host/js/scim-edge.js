// The engine decides; this makes the native calls that it wants, by the platform's own `fetch`.
import { Application as InMemory, Deployment, Incoming, check as checkJson, placeholders as placeholdersJson } from './wasm/scim_edge.js';

// The largest native reply body that is collected, in bytes. `limits.reply` of a mapping may be lower.
const REPLY_LIMIT = 16 << 20;

// How much of a request body that is too large is read and thrown away: a client that is still sending when its
// connection closes may never see the answer.
const DISCARD_LIMIT = 16 << 20;

export class ScimEdgeError extends Error {
  constructor(json) {
    const { message, diagnostics } = JSON.parse(json);
    super(message);
    this.name = 'ScimEdgeError';
    this.diagnostics = diagnostics;
  }
}

export class ScimEdge {
  #deployment;

  constructor(mapping, env) {
    const settings = Object.entries(env).filter(([, value]) => typeof value === 'string');
    this.#deployment = orThrow(() => new Deployment(mapping, settings.flat()));
  }

  owns(request) {
    return this.#deployment.owns(address(request).target);
  }

  async handle(request, { fetch = globalThis.fetch, log } = {}) {
    const started = Date.now();
    const incoming = await this.#incoming(request);
    const exchange = this.#deployment.handle(incoming, started, entropy());
    const { status, headers, body, calls, failures } = await this.#run(exchange, fetch, request.signal);
    const [path] = address(request).target.split('?', 1);
    const outcome = [status, `calls=${calls}`, `ms=${Date.now() - started}`, ...failures.map((it) => `failed=${it}`)];
    log?.(`scim-edge: ${request.method} ${path} ${outcome.join(' ')}`);
    const empty = request.method === 'HEAD' || status === 204 || status === 304;
    return new Response(empty ? null : body, { status, headers: toHeaders(headers) });
  }

  async explain(request, { fetch } = {}) {
    const incoming = await this.#incoming(request);
    const exchange = orThrow(() => this.#deployment.explain(incoming, Date.now(), entropy(), !fetch));
    return this.#run(exchange, fetch, request.signal, () => JSON.parse(exchange.explanation()));
  }

  async #incoming(request) {
    const { scheme, host, target } = address(request);
    const implied = { host, 'x-forwarded-proto': scheme };
    const headers = { ...implied, ...Object.fromEntries(fields(request.headers)) };
    const body = await collect(request, this.#deployment.bodyLimit, DISCARD_LIMIT);
    return new Incoming(request.method, target, Object.entries(headers).flat(), body);
  }

  // Drives an exchange to its end and gives what `result` makes of its response.
  async #run(exchange, fetch, client, result = (response) => response) {
    const over = new AbortController();
    const unfollow = follow(over, client);
    // What comes next: the number of a call or pause, and what is to be done then.
    const waiting = new Map();
    const failures = [];
    let calls = 0;
    let response;
    const sink = {
      call: (id, method, origin, target, headers, body, milliseconds) => {
        calls += 1;
        const init = { method, headers, body: body.length ? body : undefined, redirect: 'manual' };
        const reply = call(fetch, origin, target, init, milliseconds, over.signal);
        waiting.set(id, reply.then((reply) => [id, () => this.#take(exchange, id, reply, failures)]));
      },
      pause: (id, milliseconds) => {
        waiting.set(id, elapsed(milliseconds, over.signal).then(() => [id, () => exchange.resume(id, Date.now())]));
      },
      respond: (status, headers, body) => {
        response = { status, headers, body, calls, failures };
      },
    };
    try {
      client?.throwIfAborted();
      for (;;) {
        exchange.poll(sink);
        if (response) return result(response);
        if (!waiting.size) throw new Error('the exchange waits for nothing');
        const [id, go] = await Promise.race(waiting.values());
        waiting.delete(id);
        go();
      }
    } finally {
      unfollow();
      over.abort();
      exchange.free();
    }
  }

  #take(exchange, id, reply, failures) {
    if (typeof reply === 'string') {
      failures.push(reply);
      exchange.fail(id, reply, Date.now());
    } else {
      exchange.reply(id, reply.status, reply.headers, reply.body, Date.now());
    }
  }
}

export class Application {
  #inMemory;

  constructor(mapping, env) {
    const settings = Object.entries(env).filter(([, value]) => typeof value === 'string');
    this.#inMemory = orThrow(() => new InMemory(mapping, settings.flat(), Date.now()));
  }

  fetch = async (url, { method, headers, body }) => {
    const { pathname, search } = new URL(url);
    let reply;
    const respond = (status, headers, body) => {
      reply = new Response(status === 204 ? null : body, { status, headers: toHeaders(headers) });
    };
    const sent = body ?? new Uint8Array();
    this.#inMemory.reply(method, pathname + search, fields(headers).flat(), sent, Date.now(), { respond });
    return reply;
  };

  tables() {
    return JSON.parse(this.#inMemory.tables());
  }
}

export const check = (mapping) => JSON.parse(checkJson(mapping));

export const placeholders = (mapping) => JSON.parse(placeholdersJson(mapping));

// Makes one native call and gives its reply, or in one word why there is none. `milliseconds` bound all of it, to the
// last byte of the reply. Rejected only when `over` is aborted.
async function call(fetch, origin, target, init, milliseconds, over) {
  try {
    const url = new URL(origin + target);
    // A URL takes dot segments out, and the path of another address would be left.
    if (url.pathname !== target.split('?', 1)[0] || url.hash) return 'denied';
    init = { ...init, headers: toHeaders(init.headers) };
  } catch {
    return 'denied';
  }
  const cancel = new AbortController();
  const unfollow = follow(cancel, over);
  const timer = setTimeout(() => cancel.abort(new DOMException('the time is up', 'TimeoutError')), milliseconds);
  try {
    const { signal } = cancel;
    return await Promise.race([receive(fetch, origin + target, { ...init, signal }), aborted(signal)]);
  } catch (error) {
    over.throwIfAborted();
    return [error, error?.cause].some((it) => /timeout/i.test(it?.name)) ? 'timeout' : 'connection';
  } finally {
    clearTimeout(timer);
    unfollow();
    cancel.abort();
  }
}

async function receive(fetch, url, init) {
  const reply = await fetch(url, init);
  // Browsers do not say which redirection it is.
  const status = reply.type === 'opaqueredirect' ? 302 : reply.status;
  if (!status) throw new TypeError('no response');
  const body = await collect(reply, REPLY_LIMIT, REPLY_LIMIT);
  return body ? { status, headers: fields(reply.headers).flat(), body } : 'too-large';
}

// The whole body, or nothing if it is larger than `limit`; of a larger body up to `discard` bytes are read.
async function collect(message, limit, discard) {
  // Some browsers have no stream for a request's body.
  const reader = (message.body ?? new Blob([await message.arrayBuffer()]).stream()).getReader();
  let chunks = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length <= limit) {
      chunks.push(value);
    } else {
      chunks = [];
      if (length > discard) {
        await reader.cancel();
        break;
      }
    }
  }
  return length > limit ? undefined : new Uint8Array(await new Blob(chunks).arrayBuffer());
}

// Fulfilled after so long; rejected when the signal is aborted before.
const elapsed = (milliseconds, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    const abort = () => (clearTimeout(timer), reject(signal.reason));
    signal.addEventListener('abort', abort, { once: true });
  });

// Aborts `controller` when `signal` is aborted, until the function that it gives is called.
function follow(controller, signal) {
  const abort = () => controller.abort(signal.reason);
  if (signal?.aborted) abort();
  signal?.addEventListener('abort', abort);
  return () => signal?.removeEventListener('abort', abort);
}

// Rejected when the signal is aborted, for the `fetch` that does not look at it.
const aborted = (signal) =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true }));

const address = (request) => /^(?<scheme>\w+):\/\/(?<host>[^/?#]*)(?<target>[^#]*)/.exec(request.url).groups;

const entropy = () => crypto.getRandomValues(new Uint8Array(32));

function orThrow(make) {
  try {
    return make();
  } catch (error) {
    throw typeof error === 'string' ? new ScimEdgeError(error) : error;
  }
}

// Header fields are UTF-8 on the wire. Platforms give and take their bytes, one character each; Workers alone have text.
const HAS_TEXT = (() => {
  try {
    return Boolean(new Headers([['x', '\u{100}']]));
  } catch {
    return false;
  }
})();

const isPlain = (value) => HAS_TEXT || /^[\0-\x7f]*$/.test(value);
const toText = (bytes) => new TextDecoder().decode(Uint8Array.from(bytes, (byte) => byte.charCodeAt(0)));
const toBytes = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join('');

const fields = (headers) => [...headers].map(([name, value]) => [name, isPlain(value) ? value : toText(value)]);

function toHeaders(flat) {
  const headers = new Headers();
  for (let at = 0; at < flat.length; at += 2) {
    const [name, value] = flat.slice(at, at + 2);
    headers.append(name, isPlain(value) ? value : toBytes(value));
  }
  return headers;
}
