// Packs the packages as for publication, and checks the contents of the tarballs.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { publishedPackages } from '../manifests.mjs';
import { npm } from './commands.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Packs all packages into a folder: each one's manifest, its tarball and the paths in it. */
export async function packAll(folder) {
  await mkdir(folder, { recursive: true });
  const packages = publishedPackages();
  const workspaces = packages.flatMap(({ manifest }) => ['--workspace', manifest.name]);
  const printed = JSON.parse(await npm(['pack', '--json', '--pack-destination', folder, ...workspaces], { cwd: root }));
  const reports = Array.isArray(printed) ? printed : Object.values(printed);
  return packages.map(({ manifest, folder: source }) => {
    const { filename, files, unpackedSize } = reports.find(({ name }) => name === manifest.name);
    return { manifest, source, tarball: join(folder, filename), files: files.map(({ path }) => path), unpackedSize };
  });
}

/** Missing or unexpected files of a tarball. */
export async function faultsOfTarball({ manifest, files, source }) {
  const has = new Set(files);
  const faults = ['LICENSE', 'README.md', 'package.json'].filter((file) => !has.has(file)).map((file) => `no ${file}`);
  for (const target of [...targets(manifest.exports), ...targets(manifest.bin)]) {
    if (!has.has(target.replace(/^\.\//, ''))) faults.push(`${target} is not in the tarball`);
  }
  for (const file of files) {
    if (/\.test\.|\.fixture\.|(^|\/)(\.env|node_modules|fixtures)/.test(file))
      faults.push(`${file} is nobody's business`);
    if (file.endsWith('.map')) faults.push(...(await faultsOfMap(join(source, file), file, has)));
  }
  return faults;
}

/** Every file in `exports` or `bin`, for all conditions. */
function targets(entry) {
  if (entry === undefined) return [];
  return typeof entry === 'string' ? [entry] : Object.values(entry).flatMap(targets);
}

async function faultsOfMap(path, file, has) {
  const { sources } = JSON.parse(await readFile(path, 'utf8'));
  return sources
    .map((source) => new URL(source, `file:///${file}`).pathname.slice(1))
    .filter((source) => !has.has(source))
    .map((source) => `${file} names ${source}, which is not in the tarball`);
}
