// SCIM in front of an application, in Node (20 or later):
//
//     npm install scim-edge
//     SCIM_EDGE_UPSTREAM=http://127.0.0.1:3000 SCIM_EDGE_TOKENS=sha256:... NATIVE_API_KEY=... node server.mjs [mapping]
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { Readable } from 'node:stream';
import { ScimEdge } from 'scim-edge';

const mapping = await readFile(process.argv[2] ?? 'mapping.yaml', 'utf8');
const scim = new ScimEdge(mapping, process.env);

// Some identity providers send tokens of 64 KiB.
const server = createServer({ maxHeaderSize: 96 << 10 }, async (incoming, outgoing) => {
  const client = new AbortController();
  outgoing.on('close', () => client.abort());
  try {
    const { method, headers, url } = incoming;
    const body = method === 'GET' || method === 'HEAD' ? null : Readable.toWeb(incoming);
    const request = new Request(`http://${headers.host}${url}`, { method, headers, body, duplex: 'half', signal: client.signal });
    const response = await scim.handle(request, { log: console.log });
    outgoing.statusCode = response.status;
    outgoing.setHeaders(response.headers);
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  } catch (error) {
    if (!client.signal.aborted) outgoing.writeHead(400).end(`${error.message}\n`);
  }
});
server.listen(process.env.PORT ?? 8080, process.env.HOST, () => {
  const { address, port } = server.address();
  console.log(`listening on http://${address}:${port}`);
});
