// Browsers: the module is fetched from beside this file.
import init from './wasm/scim_edge.js';

await init({ module_or_path: new URL('./wasm/scim_edge_bg.wasm', import.meta.url) });

export * from './scim-edge.js';
