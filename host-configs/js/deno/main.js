// SCIM in front of an application, in Deno (2 or later):
//
//     deno add npm:scim-edge
//     SCIM_EDGE_UPSTREAM=http://127.0.0.1:3000 SCIM_EDGE_TOKENS=sha256:... NATIVE_API_KEY=... \
//         deno run --allow-env --allow-net --allow-read main.js [mapping]
import { ScimEdge } from 'scim-edge';

const mapping = await Deno.readTextFile(Deno.args[0] ?? 'mapping.yaml');
const scim = new ScimEdge(mapping, Deno.env.toObject());

const port = Number(Deno.env.get('PORT') ?? 8080);
Deno.serve({ port, hostname: Deno.env.get('HOST') }, (request) => scim.handle(request, { log: console.log }));
