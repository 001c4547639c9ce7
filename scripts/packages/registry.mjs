// A registry on this machine for the packed packages, for the duration of a check. npm asks it for @alex/*; all other
// packages come from npm's own registry or its cache.
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { basename } from 'node:path';

/**
 * Serves tarballs like a registry.
 *
 * @param packed the result of `pack`: manifest and tarball of each package
 * @returns the address for `@alex:registry`, and a function to close it
 */
export async function serveRegistry(packed) {
  // A new address for each run, so that npm's cache of one run is not used for the next.
  const prefix = `/${randomUUID()}/`;
  const files = new Map();
  for (const { tarball } of packed) files.set(basename(tarball), await readFile(tarball));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '').split('?')[0];
    const name = path.startsWith(prefix) ? path.slice(prefix.length) : '';
    const tarball = files.get(name.replace(/^tarballs\//, ''));
    const entry = packed.find(({ manifest }) => manifest.name === name);
    if (tarball) return response.end(tarball);
    if (entry) return response.setHeader('content-type', 'application/json').end(JSON.stringify(packument(entry)));
    return response.writeHead(404).end('{}');
  });
  const packument = ({ manifest, tarball }) => ({
    name: manifest.name,
    'dist-tags': { latest: manifest.version },
    versions: {
      [manifest.version]: {
        ...manifest,
        dist: {
          tarball: `${address}tarballs/${basename(tarball)}`,
          integrity: `sha512-${createHash('sha512')
            .update(files.get(basename(tarball)))
            .digest('base64')}`,
        },
      },
    },
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${server.address().port}${prefix}`;
  return { address, close: () => server.close() };
}
