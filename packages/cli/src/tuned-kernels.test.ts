import { softmaxCrossEntropy } from '@alex/loss';
import { sgd } from '@alex/optim';
import { type Tuning, tuningKey } from '@alex/tensor/kernels';
import { recordPrograms } from '@alex/tensor/network';
import { testGpu } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { describeModel } from './session.js';
import { inWords, type TunedKernel, tunedKernels, tunedTable } from './tuned-kernels.js';

const roofline = { multiplyAddsPerSecond: 1e12, copyBytesPerSecond: 1e15 };

it('has each tuned kernel once, by name, with its rate and fraction of the roofline', async () => {
  const gpu = await testGpu();
  const batch = 2;
  const programs = recordPrograms(describeModel({ variant: 'small' }), gpu, {
    batch,
    loss: softmaxCrossEntropy(),
    optimizer: sgd(),
  });
  const tuning: Tuning = { choice: 'whatever', milliseconds: 2, effort: 'full' };
  const tunables = programs.flatMap((program) => program.tunables);
  const tunings = new Map(tunables.map((tunable) => [tuningKey(tunable), tuning]));
  const kernels = tunedKernels(gpu, programs, tunings, roofline);
  expect(kernels).toHaveLength(tunings.size);
  expect(kernels.map(({ kernel }) => kernel).sort()).toEqual(
    [
      ...['conv1', 'conv2', 'conv3', 'conv4', 'fc5', 'fc6'].flatMap((layer) => [
        `${layer}/forward`,
        `${layer}/weightGradient`,
      ]),
      ...['conv2', 'conv3', 'conv4', 'fc5', 'fc6'].map((layer) => `${layer}/inputGradient`),
    ].sort(),
  );
  const last = kernels.find(({ kernel }) => kernel === 'fc6/forward')!;
  // 256 inputs, 24 classes.
  const flops = 2 * 256 * 24 * batch;
  expect(last.teraflopsPerSecond).toBeCloseTo(flops / 2e-3 / 1e12, 12);
  expect(last.rooflineShare).toBeCloseTo(flops / 2 / 1e12 / 2e-3, 12);

  const [key] = tunings.keys();
  expect(tunedKernels(gpu, programs, new Map([[key!, tuning]]), roofline)).toHaveLength(1);
});

it('is shown as a table', () => {
  const kernels: TunedKernel[] = [
    {
      kernel: 'conv2/forward',
      choice: { algorithm: 'winograd', tile: 4 },
      milliseconds: 2.91,
      teraflopsPerSecond: 19.71,
      rooflineShare: 0.2987,
    },
    { kernel: 'pool1', choice: 'wide', milliseconds: 0.1, teraflopsPerSecond: 0, rooflineShare: 0.8 },
  ];
  expect(tunedTable(kernels, { multiplyAddsPerSecond: 33e12, copyBytesPerSecond: 4.265e12 })).toEqual([
    'Roofline: 66.0 TFLOP/s, copies 4265 GB/s.',
    '  kernel                ms    TFLOP/s  of roofline  chosen',
    '  conv2/forward      2.910       19.7        29.9%  winograd, tile 4',
    '  pool1              0.100          -        80.0%  wide',
  ]);
});

describe('a choice in words', () => {
  it.each([
    ['plain', 'plain'],
    [{ algorithm: 'winograd', tile: 4 }, 'winograd, tile 4'],
    [
      {
        algorithm: 'direct',
        product: { share: 'subgroup', width: 4, tile: { rows: 32, columns: 8, workgroupSize: 8 } },
      },
      'direct, subgroup, width 4, tile 32 x 8, workgroup size 8',
    ],
    [{ rows: 32, columns: 8, splitK: 4 }, '32 x 8, split k 4'],
    [{ sizes: [8, 8, 16], doubleBuffered: true, half: false, order: null }, 'sizes 8 x 8 x 16, double buffered'],
  ])('%j', (choice, words) => {
    expect(inWords(choice)).toBe(words);
  });
});
