import { testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { runCommand } from './testing/command.js';

const small = ['--model', 'small', '--batch', '2'];

/** The fields of a kernel's JSON that these tests read. */
interface Shown {
  readonly program: string;
  readonly dispatches: { label: string; workgroupSize: string; reads: Record<string, string>; wgsl: string }[];
  readonly choices: {
    readonly kernel: string;
    readonly choice: unknown;
    readonly multiplyAdds: number;
    readonly candidates?: { choice: unknown; milliseconds?: number; rooflineShare?: number; inUse: boolean }[];
  }[];
}

async function shown(...args: string[]): Promise<Shown> {
  const { code, stdout, stderr } = await runCommand(['kernel', ...args, ...small, '--json']);
  expect(code, stderr).toBe(0);
  return JSON.parse(stdout);
}

describe('alexnet kernel', () => {
  it('lists every kernel if none is named', async () => {
    const { code, stdout } = await runCommand(['kernel', ...small]);
    expect(code).toBe(0);
    const lines = stdout.split('\n').map((line) => line.trim());
    for (const label of ['train:', 'evaluate:', 'conv2/forward', 'norm1/backward']) expect(lines).toContain(label);
    // On GPUs weights of dense layers are updated by the kernels of their gradients.
    const { kind } = (await testGpu()).description;
    expect(lines.includes('sgd/fc5.weight')).toBe(kind === 'software');
  });

  it('lists every dispatch with the bytes that it must move', async () => {
    const { code, stdout } = await runCommand(['kernel', ...small, '--bytes', '--json']);
    expect(code).toBe(0);
    const { programs } = JSON.parse(stdout) as {
      programs: Record<string, { label: string; read: number; written: number }[]>;
    };
    expect(Object.keys(programs).sort()).toEqual(['evaluate', 'train']);
    // Two images of 32 maps of 14 x 14, normalized: as many values come out as go in.
    const norm = programs['train']!.find(({ label }) => label === 'norm1/forward');
    expect(norm).toEqual({ label: 'norm1/forward', read: norm!.written, written: norm!.written });
    const lines = (await runCommand(['kernel', ...small, '--bytes'])).stdout.split('\n');
    const total = programs['train']!.reduce((sum, { read }) => sum + read, 0);
    const shown = lines
      .find((line) => line.startsWith('  all of train'))!
      .split(/\s+/)
      .at(-2);
    expect(shown).toBe((total / 1e6).toFixed(1));
  });

  it('shows shapes, bindings and text', async () => {
    const { code, stdout } = await runCommand(['kernel', 'conv2/forward', ...small, '--wgsl']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^small, 2 images per step, on .+\nconv2\/forward, of the program train\n/);
    expect(stdout).toContain('  reads input: f32 [2, 32, 14, 14]\n');
    expect(stdout).toContain('  writes output: f32 [2, 64, 14, 14]\n');
    expect(stdout).toMatch(/ {2}binding 0: \w+, read, elements 0 to 12543\n/);
    expect(stdout).toMatch(/@compute @workgroup_size\(\d+/);
    expect(stdout).toMatch(/ {2}in use: \{"algorithm":"direct"/);
  });

  it('times every candidate and says which one is in use', async () => {
    const { choices } = await shown('fc6/forward', '--candidates');
    expect(choices.map(({ kernel }) => kernel)).toEqual(['product']);
    const [{ choice, multiplyAdds, candidates = [] }] = choices as [Shown['choices'][number]];
    // 256 inputs, 24 classes, 2 images.
    expect(multiplyAdds).toBe(256 * 24 * 2);
    expect(candidates.length).toBeGreaterThan(1);
    expect(candidates.filter(({ inUse }) => inUse).map((candidate) => candidate.choice)).toEqual([choice]);
    for (const { milliseconds, rooflineShare } of candidates) {
      expect(milliseconds).toBeGreaterThan(0);
      expect(rooflineShare).toBeGreaterThan(0);
    }
    const times = candidates.map(({ milliseconds }) => milliseconds!);
    expect(times).toEqual([...times].sort((a, b) => a - b));
  });

  it('says if there is only one way to compute a kernel', async () => {
    const { dispatches, choices } = await shown('pool1/backward');
    expect(dispatches.map(({ label }) => label)).toEqual(['pool1/backward']);
    expect(choices).toEqual([expect.objectContaining({ kernel: 'pool1/backward', choice: null, multiplyAdds: 0 })]);
  });

  it.each([
    [['conv2/forwards'], /there is no kernel conv2\/forwards; conv2 has .*conv2\/forward, /],
    [['conv9'], /there is no kernel conv9; `npm run alexnet -- kernel --model small` lists all/],
    [['conv2/forward', '--bytes'], /--bytes lists all kernels; name none/],
    [['--candidates'], /--wgsl and --candidates need a kernel; name one/],
    [['conv2/forward', '--model', 'alexnet'], /alexnet/],
    [['conv2/forward', '--adapters', '0,0'], /name one/],
  ])('%j is refused', async (args, message) => {
    const { code, stderr } = await runCommand(['kernel', ...(args.includes('--model') ? [] : small), ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
