import { execFile } from 'node:child_process';
import { realpath } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { withoutEmbedded } from '../../../../embedded-driver.base.js';
import { AdapterError, ConfigError } from '../errors.js';
import { ownScript } from '../own-script.js';
import { type GPUBuffer, GPUBufferUsage, GPUMapMode } from '../platform/webgpu.js';
import { listAdapters, openGpu } from './adapters.js';
import type { AdapterDescription, Gpu } from './gpu.js';
import { submitWork } from './submit-work.fixture.js';

const run = promisify(execFile);

const opened: Gpu[] = [];

async function open(adapter?: string | number): Promise<Gpu> {
  const gpu = await openGpu(adapter === undefined ? {} : { adapter });
  opened.push(gpu);
  return gpu;
}

afterEach(() => {
  for (const gpu of opened.splice(0)) gpu.dispose();
});

const workgroups = 64;

function expectedResults(factor: number): number[] {
  return Array.from({ length: workgroups * 64 }, (_, index) => {
    let value = 0;
    for (let round = 0; round < 20_000; round++) value = (Math.imul(value, factor) + index) >>> 0;
    return value;
  });
}

async function read(gpu: Gpu, buffer: GPUBuffer): Promise<number[]> {
  const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
  const copy = gpu.createBuffer({ label: 'copy', size: buffer.size, usage });
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, 0, copy, 0, buffer.size);
  gpu.device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  return [...new Uint32Array(copy.getMappedRange())];
}

/**
 * For a machine without Vulkan: the environment variables that lead to this machine's drivers or loader. They name folders of
 * drivers in other locations.
 */
const nothingOfVulkan: NodeJS.ProcessEnv = {
  ...{ VK_DRIVER_FILES: undefined, VK_ICD_FILENAMES: undefined, VK_ADD_DRIVER_FILES: undefined },
  LD_LIBRARY_PATH: undefined,
  ...{ XDG_CONFIG_HOME: '/nowhere', XDG_CONFIG_DIRS: '/nowhere', XDG_DATA_HOME: '/nowhere', XDG_DATA_DIRS: '/nowhere' },
};

const urlOf = (name: string) => JSON.stringify(ownScript(name).url.href);

/** Runs a program next to the sources in a separate Node process. */
async function node(program: string, environment: NodeJS.ProcessEnv = {}, before: readonly string[] = []) {
  const source = `const { listAdapters, openGpu } = await import(${urlOf('adapters')});\n${program}`;
  const [command, ...rest] = [...before, process.execPath, '--input-type=module', '--eval', source];
  return run(command!, rest, {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    env: { ...process.env, ...environment },
  });
}

describe('listAdapters', () => {
  it("numbers them, the best first: hardware, the machine's software, embedded", async () => {
    const adapters = await listAdapters();
    expect(adapters.length).toBeGreaterThan(0);
    expect(adapters.map(({ index }) => index)).toEqual(adapters.map((_, index) => index));
    const rank = ({ kind, embedded }: AdapterDescription) => (kind === 'hardware' ? 0 : embedded ? 2 : 1);
    expect(adapters.map(rank)).toEqual(adapters.map(rank).sort());
    for (const { name } of adapters) expect(name).not.toBe('');
  });

  it('has the embedded one, once', async ({ skip }) => {
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    const embedded = (await listAdapters()).filter((adapter) => adapter.embedded);
    expect(embedded).toMatchObject([{ name: expect.stringContaining('SwiftShader'), kind: 'software' }]);
  });

  it('leaves the environment unchanged', async () => {
    const vulkan = () => Object.entries(process.env).filter(([name]) => name.startsWith('VK_'));
    const before = vulkan();
    const searching = listAdapters();
    expect(vulkan()).toEqual(before);
    await searching;
    (await open()).dispose();
    expect(vulkan()).toEqual(before);
  });
});

describe('openGpu', () => {
  it('opens the best adapter', async () => {
    expect((await open()).description).toEqual((await listAdapters())[0]);
  });

  it('opens each by its name, by a part of it in any case, by its index, and by its index in digits', async () => {
    for (const adapter of await listAdapters()) {
      const { name, index } = adapter;
      for (const wanted of [name, name.toUpperCase(), ` ${name.toLowerCase()} `, index, String(index)]) {
        expect((await open(wanted)).description).toEqual(adapter);
      }
      const first = (await listAdapters()).find((other) => other.name.includes(name.slice(1, 8)));
      expect((await open(name.slice(1, 8))).description).toEqual(first);
    }
  });

  it('lists the adapters and says how to select one, for an unknown name or index', async () => {
    const adapters = await listAdapters();
    for (const wanted of ['Voodoo2', adapters.length, String(adapters.length)]) {
      const error = await openGpu({ adapter: wanted }).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(AdapterError);
      const { message } = error as AdapterError;
      expect(message).toContain(`"${wanted}"`);
      for (const { index, name } of adapters) expect(message).toContain(`${index}: "${name}"`);
      expect(message).toContain('Select one by');
    }
  });

  it.each([
    ...[{ adapter: -1 }, { adapter: 0.5 }, { adapter: Number.NaN }, { adapter: '' }, { adapter: '  ' }],
    ...[{ bindingBytes: 0 }, { bindingBytes: -4 }, { bindingBytes: 1.5 }, { bindingBytes: Number.NaN }],
  ])('refuses %j', async (options) => {
    const [option] = Object.keys(options);
    const error = await openGpu(options).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toMatch(new RegExp(`^${option}: `));
  });

  it('opens all of them at once, some twice, and each computes on its own', async () => {
    const adapters = await listAdapters();
    const gpus: Gpu[] = [];
    for (const { index } of [...adapters, adapters[0]!]) gpus.push(await open(index));
    const buffers = gpus.map((gpu, index) => submitWork(gpu, workgroups, 3 + index));
    const results = await Promise.all(gpus.map((gpu, index) => read(gpu, buffers[index]!)));
    for (const [index, result] of results.entries()) expect(result).toEqual(expectedResults(3 + index));
    gpus[0]!.dispose();
    const last = gpus.at(-1)!;
    expect(await read(last, submitWork(last, workgroups, 2))).toEqual(expectedResults(2));
  });
});

describe('openGpu with an environment', () => {
  it('shows it to the drivers for this search only', async () => {
    const before = { ...process.env };
    const [best] = await listAdapters();
    // None of the machine's drivers is left; the embedded one does not need the loader.
    const environment = { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' };
    const names = await listAdapters();
    const embedded = names.find((adapter) => adapter.embedded);
    if (embedded) {
      const gpu = await openGpu({ environment });
      opened.push(gpu);
      expect(gpu.description.name).toBe(embedded.name);
    } else await expect(openGpu({ environment })).rejects.toThrow(AdapterError);
    expect({ ...process.env }).toEqual(before);
    expect((await open()).description.name).toBe(best!.name);
  });
});

describe.skipIf(process.platform === 'win32')('on another machine', () => {
  it('without an adapter, one error says what to install', async () => {
    const program = `
      import 'webgpu';
      Object.assign(process.env, { TMPDIR: '/dev/null/temporary', XDG_CACHE_HOME: '/dev/null/cache' });
      Object.defineProperty(process, 'arch', { value: 'riscv64' });
      console.log(JSON.stringify(await listAdapters()));
      await openGpu({ adapter: 'llvmpipe' }).catch((error) => console.log(error.name, error.message));`;
    const { stdout } = await node(program, { VK_DRIVER_FILES: '/nowhere.json', VK_ICD_FILENAMES: '/nowhere.json' });
    const [list, error] = stdout.trim().split('\n');
    expect(list).toBe('[]');
    expect(error).toMatch(/^AdapterError No adapter: .*riscv64/);
    expect(error).toContain('npm install @alex/software-gpu');
    expect(error).toContain('apt-get install');
  });

  it('without a Dawn library for its platform, there are no adapters, and the error names the package', async () => {
    const program = `
      Object.defineProperty(process, 'platform', { value: 'freebsd' });
      console.log(JSON.stringify(await listAdapters()));
      await openGpu().catch((error) => console.log(error.name, error.message));`;
    const { stdout } = await node(program);
    const [list, error] = stdout.trim().split('\n');
    expect(list).toBe('[]');
    expect(error).toMatch(/^AdapterError No adapter: the package "webgpu" cannot be loaded on freebsd .*dawn\.node/);
  });

  it('a broken driver of the user is skipped', async () => {
    const program = 'console.log((await listAdapters()).map(({ embedded }) => embedded).join());';
    const broken = fileURLToPath(import.meta.url);
    const { stdout } = await node(program, { VK_DRIVER_FILES: broken, VK_ICD_FILENAMES: broken });
    expect(stdout.trim()).toBe(withoutEmbedded === undefined ? 'true' : '');
  });

  it('without any Vulkan, the embedded adapter opens and prints nothing on standard error', async ({ skip }) => {
    // A machine without a Vulkan loader and drivers, made by hiding this machine's in a mount namespace.
    skip(withoutEmbedded !== undefined, withoutEmbedded);
    const hide = ['unshare', '--map-root-user', '--mount'];
    const mounts = await run(hide[0]!, [...hide.slice(1), 'true']).then(
      () => true,
      () => false,
    );
    skip(!mounts, 'no mount namespaces here');
    const libraries = await run('/sbin/ldconfig', ['-p']).catch(() => ({ stdout: '' }));
    const listed = [...libraries.stdout.matchAll(/libvulkan\.so\.1 .*x86-64.* => (.+)/g)].map(([, path]) => path!);
    const loaders = new Set(await Promise.all(listed.map((path) => realpath(path))));
    const hidden = [...loaders].map((loader) => `mount --bind /dev/null ${loader}`);
    const folders = ['/usr/share', '/usr/local/share', '/etc', '/usr/local/etc'].map((path) => `${path}/vulkan/icd.d`);
    hidden.push(...folders.map((folder) => `if [ -d ${folder} ]; then mount -t tmpfs none ${folder}; fi`));
    const program = `
      console.log((await listAdapters()).map(({ name }) => name).join());
      const gpu = await openGpu();
      await gpu.finished();
      console.log(gpu.description.embedded);`;
    const { stdout, stderr } = await node(program, nothingOfVulkan, [
      ...hide,
      'sh',
      '-c',
      `${hidden.join('; ')}; exec "$@"`,
      '--',
    ]);
    expect(stdout.trim().split('\n')).toEqual([expect.stringMatching(/^SwiftShader[^,]*$/), 'true']);
    expect(stderr).not.toMatch(/Vulkan|driver/i);
  });
});

describe('the end of the process', () => {
  const { ALEX_ADAPTER: adapter } = process.env;
  const begin = `
    const gpu = await openGpu(${adapter ? JSON.stringify({ adapter }) : ''});
    const { submitWork } = await import(${urlOf('submit-work')});
    for (let time = 0; time < 8; time++) submitWork(gpu, 16, 3);`;

  it.each([
    ['after the work is finished', 1, 'await gpu.finished(); console.log("end");'],
    ['after dispose', 1, 'gpu.dispose(); console.log("end");'],
    ['with work on its way', 1, 'console.log("end");'],
    // Threads that outlive their driver crash about one time in three.
    ['by process.exit, with work on its way', 4, 'console.log("end"); process.exit(0);'],
  ])('is clean %s', async (_, times, end) => {
    for (let time = 0; time < times; time++) {
      const { stdout } = await node(begin + end);
      expect(stdout.trim()).toBe('end');
    }
  });
});
