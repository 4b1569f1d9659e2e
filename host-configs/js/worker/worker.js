// SCIM in front of an application, as a Cloudflare Worker: see `wrangler.toml` beside this file.
import { ScimEdge } from 'scim-edge';
import mapping from './mapping.yaml';

let scim;

export default {
  fetch(request, env) {
    // Once for each isolate. A mapping with mistakes throws here, and `wrangler tail` shows what is wrong with it.
    scim ??= new ScimEdge(mapping, env);
    // Whatever is no SCIM request goes on to the origin.
    return scim.owns(request) ? scim.handle(request, { log: console.log }) : fetch(request);
  },
};
