import { readFile } from 'node:fs/promises';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import type { Curve } from './curve.js';
import { drawFigure, pngOf } from './figure.js';
import { figure1Page, shownCurves } from './page.js';
import { fallingCurve } from './testing.js';

const results = new URL('../../../docs/results/', import.meta.url);

async function publishedCurves(): Promise<Curve[]> {
  const lines = await readFile(new URL('figure-1.jsonl', results), 'utf8');
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Curve);
}

describe('docs/results', () => {
  it('has the page that figure-1.jsonl gives', async () => {
    expect(await readFile(new URL('figure-1.md', results), 'utf8')).toBe(figure1Page(await publishedCurves()));
  });

  it('has the figure that figure-1.jsonl gives', async () => {
    expect(await readFile(new URL('figure-1.svg', results), 'utf8')).toBe(
      drawFigure(shownCurves(await publishedCurves())),
    );
  });
});

const curves = [fallingCurve('relu', { epochs: 10, share: 0.2 }), fallingCurve('tanh', { epochs: 50, share: 0.03 })];

describe('figure1Page', () => {
  it('starts with the ratio', () => {
    expect(figure1Page(curves)).toContain('**tanh takes 7.9 times the iterations of ReLU');
  });

  it('says which results are missing, until all are there', () => {
    expect(figure1Page([])).toContain('**There is no ratio yet.**');
    const partial = figure1Page(curves);
    expect(partial).toContain('**Partial results.**');
    expect(partial).toContain("The search for ReLU's rate is unfinished; ReLU has 1 of 3 seeds at 25%");
    expect(partial).toContain('logistic has not started');
    const activations = ['relu', 'tanh', 'absTanh', 'logistic'] as const;
    const all = activations.flatMap((activation) => [
      ...[1, 2, 3].map((seed) => fallingCurve(activation, { seed, epochs: 10, share: 0.2 })),
      ...[0.0005, 0.002].map((learningRate) => fallingCurve(activation, { learningRate, epochs: 3, share: 0.1 })),
    ]);
    expect(figure1Page(all)).not.toContain('Partial');
    expect(figure1Page(all)).toContain('All runs are finished.');
  });

  it('gives the error so far of a run that has not reached the target', () => {
    const page = figure1Page([curves[0]!, fallingCurve('tanh', { epochs: 20, share: 0.01 })]);
    expect(page).toContain('73.6% after 20');
    expect(page).toMatch(/tanh has not reached 25% training error yet: it takes more than \d/);
  });

  it('lists a rate that diverged', () => {
    const page = figure1Page([...curves, fallingCurve('relu', { learningRate: 0.004, epochs: 0, divergedAt: 31 })]);
    expect(page).toContain('| ReLU | 0.004 | diverged at step 31 | - |');
  });
});

describe('drawFigure', () => {
  const figure = drawFigure(curves);

  /** Dashes of the curves, which are wider than axes and ticks; the legend has a mark of each. */
  const dashes = [...figure.matchAll(/<(?:path|polyline)[^>]*stroke-width="1.6"[^>]*>/g)].map(
    ([path]) => /stroke-dasharray="([^"]+)"/.exec(path)?.[1],
  );

  it('draws ReLU solid and tanh dashed, and names axes and lines as the paper does', () => {
    expect(dashes).toEqual([undefined, '9,6']);
    for (const text of ['Epochs', 'Training error rate', 'ReLU', 'tanh']) expect(figure).toContain(`>${text}</text>`);
    expect(figure).not.toContain('logistic');
  });

  it('is also written as PNG, twice as large', async () => {
    const { format, width, height } = await sharp(await pngOf(figure)).metadata();
    expect({ format, width, height }).toEqual({ format: 'png', width: 1280, height: 880 });
  });
});
