// Node, Deno and Bun: the module is a file beside this one.
import { readFile } from 'node:fs/promises';
import { initSync } from './wasm/scim_edge.js';

initSync({ module: await readFile(new URL('./wasm/scim_edge_bg.wasm', import.meta.url)) });

export * from './scim-edge.js';
