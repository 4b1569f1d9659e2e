/** Makes a native call. The URL is the application's; `init` has method, headers, body, `redirect` and `signal`. */
export type Fetch = (url: string, init: NativeCall) => Promise<Response>;

/** What a native call is made with. */
export interface NativeCall {
  method: string;
  headers: Headers;
  /** Absent where there is no body. */
  body?: Uint8Array<ArrayBuffer>;
  redirect: 'manual';
  /** Aborted when the call's time is up, when the client is gone, and when nobody waits for the reply any more. */
  signal: AbortSignal;
}

export interface HandleOptions {
  /** The platform's own unless it is given. */
  fetch?: Fetch;
  /** Takes one line for each request: method, path, status, native calls, milliseconds. No query and no secret is in it. */
  log?: (line: string) => void;
}

/** Something that is wrong with a mapping. */
export interface Diagnostic {
  /** What the mapping is called: `mapping`. */
  file: string;
  /** From 1. */
  line: number;
  /** From 1. */
  column: number;
  /** Stable, such as `M101`. */
  code: string;
  /** A mapping with warnings alone works. */
  severity: 'error' | 'warning';
  message: string;
  /** What to write instead; may be empty. */
  suggestion: string;
}

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** An HTTP message's outcome, without secrets. A body that is no JSON is text; no body is `null`. */
export interface ExplainedResponse {
  status: number;
  headers: Record<string, string>;
  body: Json;
}

/** What came back from a native call. `assumed`: no call was made, the mapping alone says what a reply would be like. */
export type ExplainedReply =
  | (ExplainedResponse & { assumed: boolean })
  | { assumed: boolean; status: null; failure: 'timeout' | 'connection' | 'denied' | 'too-large' };

/** A native call, without secrets: in place of each stands the name of its variable, `<NATIVE_API_KEY>`. */
export interface ExplainedCall {
  method: string;
  /** Path and query. */
  target: string;
  headers: Record<string, string>;
  body: Json;
  reply: ExplainedReply;
}

/** Something that identity providers send beyond the RFCs, and that is understood all the same. */
export interface Quirk {
  /** Stable, such as `operation-case`. */
  name: string;
  /** What is recognised, and how it is understood. */
  trigger: string;
  /** Who sends it. */
  source: string;
  /** What `strict: true` makes of it. */
  strict: string;
}

/** What a SCIM request becomes. */
export interface Explanation {
  request: { method: string; target: string };
  /** Those that the request has needed. */
  quirks: Quirk[];
  /** In the order of their replies. */
  calls: ExplainedCall[];
  response: ExplainedResponse;
}

/** A mapping with mistakes, or a setting that is missing or cannot be used. The message says everything. */
export class ScimEdgeError extends Error {
  /** The mapping's mistakes; empty where it is a setting. */
  readonly diagnostics: Diagnostic[];
}

/** SCIM in front of one application. It may serve any number of requests at the same time. */
export class ScimEdge {
  /**
   * @param mapping The mapping, YAML or JSON.
   * @param env The settings (`SCIM_EDGE_TOKENS`, `SCIM_EDGE_UPSTREAM` …) and the secrets that the mapping names. Whatever
   * is not text is left aside, so that `process.env` or a Worker's `env` will do.
   * @throws {ScimEdgeError}
   */
  constructor(mapping: string, env: object);

  /** Whether this is a SCIM request by its path. All others belong to somebody else. */
  owns(request: Request): boolean;

  /**
   * Answers a SCIM request. Failures of the application are answers; the promise is rejected only when the client is gone
   * (the request's `signal` is aborted, or its body breaks off), and then all native calls are cancelled.
   */
  handle(request: Request, options?: HandleOptions): Promise<Response>;

  /**
   * What a SCIM request becomes. Without `fetch` no call is made and replies are assumed; with it they are what it gives.
   * The deployment's own state is neither used nor changed.
   */
  explain(request: Request, options?: { fetch?: Fetch }): Promise<Explanation>;
}

/** The resources of one type in an {@link Application}. */
export interface Table {
  /** The SCIM resource type. */
  resource: string;
  /** The native path of the collection; `null` where there is no call for it. */
  path: string | null;
  /** The native fields that the mapping knows, that of the id first. */
  columns: string[];
  /** In the order of their creation. */
  rows: {
    /** The native id as text. */
    id: string;
    /** One for each column. */
    cells: Json[];
    /** Names of a group's members; `null` for what has none. */
    members: string[] | null;
  }[];
}

/**
 * An application in memory that behaves as a mapping says that its API does, with a few users and a group in it: for
 * trying a mapping out, and for tests. It knows what the mapping knows, and not what the real application would refuse.
 */
export class Application {
  /** Takes what {@link ScimEdge} takes.
   * @throws {ScimEdgeError}
   */
  constructor(mapping: string, env: object);

  /** Answers a native call. It needs no `this`: give it to `handle` and `explain`. */
  readonly fetch: Fetch;

  /** What is in it. */
  tables(): Table[];
}

/** Everything that is wrong with a mapping, in its order. Secrets that it names need not be there. */
export function check(mapping: string): Diagnostic[];

/**
 * An environment in which a mapping can be explained without its secrets: each that it names is `<NAME>`, the application
 * is `http://application`, the root `/scim/v2`, and the bearer token `explain`.
 */
export function placeholders(mapping: string): Record<string, string>;
