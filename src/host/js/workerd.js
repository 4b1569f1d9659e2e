// Cloudflare Workers: an import of a module gives it compiled, and nothing else may compile one.
import module from './wasm/scim_edge_bg.wasm';
import { initSync } from './wasm/scim_edge.js';

initSync({ module });

export * from './scim-edge.js';
