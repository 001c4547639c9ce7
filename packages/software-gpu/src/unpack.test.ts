import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { brotliCompressSync } from 'node:zlib';
import { pack } from 'tar-stream';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Unpacking, unpacked } from './unpack.js';

const run = promisify(execFile);

const driver = Buffer.alloc(3_000_000, 'driver ');
const manifest = Buffer.from('{"ICD":{}}');

let folder: string;
let cache: string;
let what: Unpacking;

async function archiveOf(files: Record<string, Buffer>): Promise<Buffer> {
  const tar = pack();
  for (const [name, bytes] of Object.entries(files)) tar.entry({ name }, bytes);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return brotliCompressSync(Buffer.concat(chunks));
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'unpack-test-'));
  cache = join(folder, 'home', '.cache', 'alex');
  const archive = join(folder, 'driver.tar.br');
  await writeFile(
    archive,
    await archiveOf({ 'driver.so': driver, 'unwanted.so': Buffer.alloc(10), './manifest.json': manifest }),
  );
  what = { archive, files: ['driver.so', 'manifest.json'], name: 'driver-1.0.0' };
});

afterEach(async () => {
  await rm(folder, { recursive: true });
});

async function expectWhole(path: string): Promise<void> {
  expect((await readdir(path)).sort()).toEqual(['contents.json', 'driver.so', 'manifest.json']);
  expect(driver.equals(await readFile(join(path, 'driver.so')))).toBe(true);
  expect(manifest.equals(await readFile(join(path, 'manifest.json')))).toBe(true);
}

describe('unpacked', () => {
  it('unpacks the required files into the first cache folder and leaves nothing else there', async () => {
    const path = await unpacked(what, [cache, join(folder, 'second')]);
    expect(path).toBe(join(cache, 'driver-1.0.0'));
    await expectWhole(path);
    expect(await readdir(cache)).toEqual(['driver-1.0.0']);
  });

  it('uses existing files without touching them, even if the archive has gone', async () => {
    const path = await unpacked(what, [cache]);
    await rm(what.archive);
    const before = await stat(cache);
    expect(await unpacked(what, [cache])).toBe(path);
    expect((await stat(cache)).mtimeMs).toBe(before.mtimeMs);
  });

  it('finds files in a later cache folder before it fills an earlier one', async () => {
    const second = join(folder, 'second');
    const path = await unpacked(what, [second]);
    expect(await unpacked(what, [cache, second])).toBe(path);
  });

  it.each([
    ['a truncated file', (path: string) => truncate(join(path, 'driver.so'), 1_000_000)],
    ['a file that is missing', (path: string) => rm(join(path, 'manifest.json'))],
    ['no list of contents', (path: string) => rm(join(path, 'contents.json'))],
    ['a truncated list of contents', (path: string) => truncate(join(path, 'contents.json'), 5)],
  ])('does not accept a folder with %s, and replaces it', async (_, tear) => {
    const path = await unpacked(what, [cache]);
    await tear(path);
    expect(await unpacked(what, [cache])).toBe(path);
    await expectWhole(path);
    expect(await readdir(cache)).toEqual(['driver-1.0.0']);
  });

  it('leaves nothing behind if the archive is damaged or lacks a file', async () => {
    const whole = await readFile(what.archive);
    await truncate(what.archive, Math.floor(whole.length / 2));
    await expect(unpacked(what, [cache])).rejects.toThrow(cache);
    expect(await readdir(cache)).toEqual([]);
    await writeFile(what.archive, whole);
    await expect(unpacked({ ...what, files: ['other.so'] }, [cache])).rejects.toThrow('does not contain other.so');
    expect(await readdir(cache)).toEqual([]);
  });

  it('clears away what a killed process left long ago, but not the files of a running one', async () => {
    const old = join(cache, '.part-old');
    const young = join(cache, '.part-young');
    await mkdir(old, { recursive: true });
    await mkdir(young);
    const yesterday = new Date(Date.now() - 86_400_000);
    await utimes(old, yesterday, yesterday);
    await unpacked(what, [cache]);
    expect((await readdir(cache)).sort()).toEqual(['.part-young', 'driver-1.0.0']);
  });

  it('tries the next cache folder if one cannot be created, and names all if none can', async () => {
    const file = join(folder, 'file');
    await writeFile(file, '');
    const second = join(folder, 'second');
    expect(await unpacked(what, [join(file, 'alex'), second])).toBe(join(second, 'driver-1.0.0'));
    const nowhere = unpacked(what, [join(file, 'one'), join(file, 'two')]);
    await expect(nowhere).rejects.toThrow(join(file, 'one'));
    await expect(nowhere).rejects.toThrow(join(file, 'two'));
  });

  it.skipIf(process.platform === 'win32')('does not load from a folder that others may write to', async () => {
    await unpacked(what, [cache]);
    await chmod(cache, 0o777);
    const second = join(folder, 'second');
    expect(await unpacked(what, [cache, second])).toBe(join(second, 'driver-1.0.0'));
    await expect(unpacked(what, [cache])).rejects.toThrow('others may write to it');
  });

  it('works in several processes at once', async () => {
    const program = [
      `import { unpacked } from ${JSON.stringify(new URL('./unpack.ts', import.meta.url).href)};`,
      'console.log("ready");',
      'for await (const _ of process.stdin) break;',
      'console.log(await unpacked(JSON.parse(process.argv[1]), [process.argv[2]]));',
    ].join('\n');
    const processes = Array.from({ length: 3 }, () =>
      run(process.execPath, [
        ...['--import', 'tsx', '--input-type=module', '--eval', program, '--'],
        ...[JSON.stringify(what), cache],
      ]),
    );
    await Promise.all(processes.map(({ child }) => once(child.stdout!, 'data')));
    for (const { child } of processes) child.stdin!.end('go');
    for (const { stdout } of await Promise.all(processes))
      expect(stdout).toBe(`ready\n${join(cache, 'driver-1.0.0')}\n`);
    await expectWhole(join(cache, 'driver-1.0.0'));
    expect(await readdir(cache)).toEqual(['driver-1.0.0']);
  });
});
