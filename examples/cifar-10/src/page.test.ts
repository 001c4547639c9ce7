import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { netNamed } from './nets.js';
import { atEqualEpochs, cifar10Page } from './page.js';
import type { Summary, Validation } from './summary.js';

const results = new URL('../../../docs/results/', import.meta.url);

it('docs/results has the page that cifar-10.jsonl gives', async () => {
  const lines = (await readFile(new URL('cifar-10.jsonl', results), 'utf8')).split('\n').filter((line) => line !== '');
  const summaries = lines.map((line) => JSON.parse(line) as Summary);
  expect(await readFile(new URL('cifar-10.md', results), 'utf8')).toBe(cifar10Page(summaries));
});

function validation(epoch: number, error: number, images: Validation['images'] = 'four-fifths'): Validation {
  return { epoch, images, error, loss: 1, trainingError: error };
}

function summaryOf(net: string, more: Partial<Summary> = {}): Summary {
  const wholeEpochs = netNamed(net).stages.reduce((sum, { epochs }) => sum + epochs, 0);
  const { views } = netNamed(net);
  const test = { epochs: wholeEpochs, views, images: 10_000, error: 0.25, loss: 0.7 };
  return {
    net,
    seed: 1,
    adapter: 'test',
    epochs: wholeEpochs,
    wholeEpochs,
    validations: [],
    test,
    seconds: 5400,
    ...more,
  };
}

describe('cifar10Page', () => {
  it('lists published and own errors, with seeds and spread', () => {
    const second = summaryOf('cifar-80sec', { seed: 2, seconds: 1800 });
    const page = cifar10Page([summaryOf('cifar-80sec'), { ...second, test: { ...second.test!, error: 0.27 } }]);
    expect(page).toContain('| `cifar-80sec` | 26% | 26.0% (25.0% to 27.0%) | 10 | 1, 2 | 1.0 (0.5 to 1.5) |');
    expect(page).toContain('| `cifar-18pct` | 18% | not finished | - | - | - |');
    expect(page).toContain('Not started: `cifar-18pct`, `cifar-13pct`, `cifar-11pct`.');
  });

  it('does not take a training for finished that was not, or was not tested at its end', () => {
    const underWay = summaryOf('cifar-13pct', { epochs: 20, validations: [validation(20, 0.313)] });
    const { test: _, ...untested } = summaryOf('cifar-80sec');
    const early = summaryOf('cifar-18pct');
    const page = cifar10Page([underWay, untested, { ...early, test: { ...early.test!, epochs: 5 } }]);
    expect(page.match(/\| not finished \|/g)).toHaveLength(4);
    expect(page).toContain('| `cifar-13pct` | 1 | 20 of 160 | 31.3% (held out, epoch 20) |');
  });

  it('compares with and without normalization at equal epochs', () => {
    const plain = summaryOf('cifar-13pct', {
      epochs: 15,
      validations: [validation(5, 0.4), validation(10, 0.35), validation(15, 0.3)],
    });
    const normalized = summaryOf('cifar-11pct', {
      epochs: 10,
      validations: [validation(5, 0.38), validation(10, 0.32)],
    });
    expect(cifar10Page([plain])).toContain('They have not been compared yet.');
    expect(cifar10Page([plain, { ...normalized, seed: 2 }])).toContain('They have not been compared yet.');
    expect(cifar10Page([plain, normalized])).toContain('| 1 | 10 | held out | 35.0% | 32.0% | 3.0 points |');
  });

  it('does not mention partial results once all results are there', () => {
    const all = ['cifar-80sec', 'cifar-18pct', 'cifar-13pct', 'cifar-11pct'].map((net) => summaryOf(net));
    expect(cifar10Page(all)).not.toMatch(/Partial|not finished|In progress/);
  });
});

describe('atEqualEpochs', () => {
  it('needs the same images held out', () => {
    const [one, other] = [
      summaryOf('cifar-13pct', { validations: [validation(100, 0.2), validation(104, 0.18, 'all')] }),
      summaryOf('cifar-11pct', { validations: [validation(100, 0.17), validation(104, 0.16)] }),
    ];
    expect(atEqualEpochs(one, other)).toEqual({ one: validation(100, 0.2), other: validation(100, 0.17) });
  });
});
