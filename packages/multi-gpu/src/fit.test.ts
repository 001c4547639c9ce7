import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { AlexError, describeNetwork, type Gpu, MemoryError, openGpu } from '@alex/tensor';
import { checkFits } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { beforeAll, describe, expect, it } from 'vitest';
import { partsOn, place } from './place.js';

const description = describeNetwork({
  name: 'little',
  input: [2, 5, 4],
  layers: [
    conv2d({ name: 'conv1', filters: 3, kernel: 3, padding: 1 }),
    dense({ name: 'fc2', units: 6 }),
    dense({ name: 'fc3', units: 3 }),
  ],
});

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

describe('memory', () => {
  it('is predicted, with the largest batch that fits', async () => {
    const options = { loss: softmaxCrossEntropy(), optimizer: sgd() };
    const { totalBytes } = checkFits(description, gpu, { ...options, batch: 200 });
    const narrow = await openGpu({ adapter: gpu.description.index, memoryBytes: totalBytes });
    try {
      const failure = await Promise.resolve()
        .then(() => checkFits(description, narrow, { ...options, batch: 400 }))
        .catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(MemoryError);
      const largest = Number(/the largest batch that fits is (\d+)/.exec(String(failure))?.[1]);
      expect(largest).toBeGreaterThan(50);
      expect(largest).toBeLessThan(200);
      expect(checkFits(description, narrow, { ...options, batch: largest }).totalBytes).toBeLessThanOrEqual(totalBytes);
      expect(() => checkFits(description, narrow, { ...options, batch: largest + 1 })).toThrow(MemoryError);
      // What is promised to fit, fits; what does not fit leaves nothing behind.
      place(description, [narrow], { ...options, batch: largest }).dispose();
      expect(() => place(description, [narrow], { ...options, batch: 400 })).toThrow(AlexError);
      expect(narrow.liveBuffers).toBe(0);
    } finally {
      narrow.dispose();
    }
  });

  it('says if not even one image fits', async () => {
    const narrow = await openGpu({ adapter: gpu.description.index, memoryBytes: 100 });
    try {
      const options = { loss: softmaxCrossEntropy(), optimizer: sgd(), batch: 4 };
      expect(() => checkFits(description, narrow, options)).toThrow(/no smaller batch fits either/);
    } finally {
      narrow.dispose();
    }
  });

  it.each(['model', 'data', 'hybrid'] as const)(
    'of each of two adapters is predicted to the byte, by %s',
    async (strategy) => {
      const options = { loss: softmaxCrossEntropy(), optimizer: sgd(), batch: 6 };
      const two = [gpu, await openGpu({ adapter: gpu.description.index })];
      try {
        const partAt = (index: number) => (batch: number) => partsOn(description, two, { batch, strategy })[index]!;
        const predicted = two.map((one, index) => checkFits(description, one, options, partAt(index)));
        const before = two.map(({ liveBytes }) => liveBytes);
        const network = place(description, two, { ...options, strategy });
        const { adapters } = network.memory();
        expect(adapters!.map(({ totalBytes }) => totalBytes)).toEqual(predicted.map(({ totalBytes }) => totalBytes));
        expect(adapters!.every(({ exchangeBytes }) => exchangeBytes > 0)).toBe(true);
        two.forEach(({ liveBytes }, index) => {
          const taken = liveBytes - before[index]!;
          expect(taken).toBeGreaterThanOrEqual(predicted[index]!.totalBytes);
          // In addition to the plan: scalars, and staging buffers for results.
          expect(taken).toBeLessThan(predicted[index]!.totalBytes + 2 ** 16);
        });
        network.dispose();
        const narrow = await openGpu({ adapter: gpu.description.index, memoryBytes: predicted[1]!.totalBytes });
        const failure = () => checkFits(description, narrow, { ...options, batch: 60 }, partAt(1));
        expect(failure).toThrow(
          /little at a batch of 60 does not fit .*(largest batch that fits is \d|no smaller batch)/,
        );
        narrow.dispose();
      } finally {
        two[1]!.dispose();
      }
    },
  );

  it('that is refused in spite of the prediction is an error, leaves nothing behind, and the adapter keeps working', async ({
    skip,
  }) => {
    const run = promisify(execFile);
    const limits = await run('prlimit', ['--version']).catch(() => undefined);
    skip(!limits || gpu.description.kind !== 'software', 'no way to make a driver short of memory here');
    const fixture = fileURLToPath(new URL('refused-memory.fixture.ts', import.meta.url));
    const { stdout } = await run(process.execPath, ['--conditions=@alex/source', '--import', 'tsx', fixture], {
      env: { ...process.env, ALEX_ADAPTER: `${gpu.description.index}` },
    });
    const { name, message, left, loss } = JSON.parse(stdout.slice(stdout.indexOf('{"')));
    // If the driver only promises memory, the first to get none is the host, for the values to be uploaded.
    expect([name, message].join(': ')).toMatch(/^MemoryError: wide: .* reports: |^RangeError: Array buffer allocation/);
    expect(left).toBe(0);
    expect(loss).toBeCloseTo(Math.log(10), 5);
  });
});
