// Builds the site into site/dist: static files that need no server and fetch nothing.
//
//   npm run site:build   writes them
//   npm run site         serves them
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { globSync } from 'tinyglobby';
import { build } from 'vite';
import { checkLinks } from './check-links.mjs';
import { buildDocs } from './docs/build-docs.mjs';
import { docsIndex } from './docs/docs-index.mjs';
import { writeEmoji } from './write-emoji.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const site = join(root, 'site');
const dist = join(site, 'dist');

/** A release is called by the version of its command. */
const { version } = JSON.parse(await readFile(join(root, 'packages/cli/package.json'), 'utf8'));

for (const old of ['assets', 'train', 'classify']) await rm(join(dist, old), { recursive: true, force: true });
await writeEmoji(join(site, 'pages/public'));
await build({ root: join(site, 'pages'), configFile: join(site, 'vite.config.ts'), logLevel: 'warn' });
// What a visit stores for the next one without a network; pages of the documentation are stored when they are read.
const files = globSync('**', { cwd: dist, ignore: ['docs/**', 'offline*'] });
await writeFile(join(dist, 'offline-files.json'), JSON.stringify(files));

// The documentation of earlier releases stays.
const docs = join(dist, 'docs');
await rm(join(docs, version), { recursive: true, force: true });
await mkdir(docs, { recursive: true });
await buildDocs({ root, version, to: join(docs, version) });
const releases = (await readdir(docs, { withFileTypes: true })).filter((one) => one.isDirectory());
await writeFile(
  join(docs, 'index.html'),
  docsIndex(
    releases.map(({ name }) => name),
    version,
  ),
);
const { pages, links } = checkLinks(dist);
console.log(`site/dist: ${pages} pages, whose ${links} links lead somewhere. npm run site serves it.`);
