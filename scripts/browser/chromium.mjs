// Finds a Chromium, and runs modules in its pages.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createReadStream, createWriteStream, existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { createBrotliDecompress } from 'node:zlib';
import { run } from '../packages/commands.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** What a package manager calls it. */
const names = ['chromium', 'chromium-browser', 'google-chrome', 'chrome'];

/**
 * A Chromium with a software driver for WebGPU: the one of `ALEX_CHROMIUM`, that of npm (which `@alex/software-gpu` installs
 * for its driver), or one on the path.
 *
 * @returns `{ program, libraries }`, or `{ reason }` if there is none
 */
export async function findChromium() {
  const { ALEX_CHROMIUM: given, PATH: path = '' } = process.env;
  if (given) return { program: given };
  if (process.platform === 'linux' && process.arch === 'x64') return unpacked();
  const found = path
    .split(':')
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find((program) => existsSync(program));
  if (found) return { program: found };
  return { reason: 'no Chromium: npm has one for Linux on x64 only; set ALEX_CHROMIUM to the path of one' };
}

/** Unpacked once per version: it takes seconds and 200 MB. */
async function unpacked() {
  const { resolve } = createRequire(join(root, 'packages/software-gpu/package.json'));
  const source = join(resolve('@sparticuz/chromium'), '../../..');
  const { version } = JSON.parse(readFileSync(join(source, 'package.json'), 'utf8'));
  const folder = join(root, 'node_modules/.cache/alex', `chromium-${version}`);
  const chromium = { program: join(folder, 'chromium'), libraries: join(folder, 'lib') };
  if (existsSync(folder)) return chromium;
  await mkdir(join(folder, '..'), { recursive: true });
  const temporary = await mkdtemp(`${folder}-`);
  const unpack = (name, to) =>
    pipeline(
      createReadStream(join(source, 'bin', name)),
      createBrotliDecompress(),
      createWriteStream(join(temporary, to)),
    );
  try {
    await unpack('chromium.br', 'chromium');
    chmodSync(join(temporary, 'chromium'), 0o755);
    for (const archive of ['swiftshader.tar', 'al2023.tar']) {
      await unpack(`${archive}.br`, archive);
      await run('tar', ['-xf', archive, '--no-same-owner'], { cwd: temporary });
      await rm(join(temporary, archive));
    }
    await rename(temporary, folder).catch((error) => {
      // Another process was faster.
      if (!existsSync(folder)) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  return chromium;
}

/** Whether the machine has the libraries that this Chromium would bring. */
function lacksLibraries(program) {
  return /not found/.test(spawnSync('ldd', [program], { encoding: 'utf8' }).stdout ?? '');
}

/**
 * Opens an address and waits until `result` settles.
 *
 * @param webgpu false: without its adapters, as in a browser on a machine whose GPU is blocked
 */
export async function visit({ program, libraries }, address, result, { webgpu = true, flags = [] } = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'alex-chromium-'));
  const child = spawn(
    program,
    [
      ...['--headless', '--no-sandbox', '--disable-dev-shm-usage', '--no-first-run', `--user-data-dir=${profile}`],
      ...(webgpu ? ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'] : []),
      ...flags,
      address,
    ],
    {
      // A group of its own, so that all of its processes can be ended.
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
      env: {
        ...process.env,
        ...(libraries && lacksLibraries(program) && { LD_LIBRARY_PATH: libraries }),
      },
    },
  );
  const kill = () => killGroup(child.pid);
  // Also if this process is stopped: an `exit` handler alone does not run for signals.
  const stop = (signal) => process.exit(signal === 'SIGINT' ? 130 : 143);
  process.on('exit', kill).on('SIGINT', stop).on('SIGTERM', stop);
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said += text;
  });
  const ended = once(child, 'close');
  const failed = new Promise((_, reject) => {
    child.on('error', reject);
    child.on('exit', (code, signal) => reject(new Error(`the browser ended (${signal ?? code})\n${said}`)));
  });
  try {
    return await Promise.race([result, failed]);
  } finally {
    process.off('exit', kill).off('SIGINT', stop).off('SIGTERM', stop);
    kill();
    if (child.pid !== undefined) await ended;
    await rm(profile, { recursive: true, force: true, maxRetries: 10 });
  }
}

/** Ends all processes of a browser. */
function killGroup(pid) {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
