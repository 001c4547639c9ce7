import { ConfigError, DataError } from '@alex/tensor';
import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { curves } from './curves.js';
import type { Metric } from './metrics.js';

function history(steps: number, validateEvery: number, rate = (_step: number): number => 0.01): Metric[] {
  return Array.from({ length: steps }, (_, index) => index + 1).flatMap((step): Metric[] => {
    // Noise, so that no curve needs only a few points.
    const noise = ((step * 1103515245) % 1000) / 4000;
    const loss = 0.5 + noise + 2 / Math.sqrt(step);
    const line = { step, epoch: step / 10, loss, top1Error: 0.3 + noise, top5Error: 0.1 + noise };
    const train: Metric = { ...line, split: 'train', learningRate: rate(step), imagesPerSecond: 100 };
    return step % validateEvery === 0 ? [train, { ...line, loss: 1.25, split: 'val' }] : [train];
  });
}

function texts(svg: string): string[] {
  return [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((match) => match[1]!);
}

/** Points of all lines of the given colour. */
function pointsIn(svg: string, colour: string): number {
  return [...svg.matchAll(/<path d="([^"]*)"[^>]*>/g)]
    .filter(([tag]) => tag.includes(`stroke="${colour}"`))
    .reduce((sum, [, d]) => sum + d!.split('L').length, 0);
}

describe('curves', () => {
  it('draws both splits in both panels and names their last values', async () => {
    const svg = await curves(history(50, 10));
    const said = texts(svg);
    expect(said).toEqual(expect.arrayContaining(['Loss', 'nats', 'Error', 'fraction of images', '100%']));
    expect(said.filter((text) => text === 'step')).toHaveLength(2);
    expect(said).toContain('val 1.25');
    for (const name of [/^train 0\.\d/, /^top-1 train \d+\.\d%$/, /^top-5 train/, /^top-1 val/, /^top-5 val/]) {
      expect(said.filter((text) => name.test(text))).toHaveLength(1);
    }
  });

  it('marks in both panels where the learning rate changed', async () => {
    const said = texts(await curves(history(100, 10, (step) => (step < 40 ? 0.01 : step < 80 ? 0.001 : 0.0001))));
    expect(said.filter((text) => text === 'rate 0.001')).toHaveLength(2);
    expect(said.filter((text) => text === 'rate 0.0001')).toHaveLength(2);
    expect(said).not.toContain('rate 0.01');
  });

  it('says so instead if the rate changed all the time', async () => {
    const said = texts(await curves(history(100, 10, (step) => 1 / step)));
    expect(said).toContain('learning rate changed 99 times');
    expect(said.filter((text) => text.startsWith('rate'))).toEqual([]);
  });

  it('draws a logarithmic loss axis, on which a loss of 0 is a gap', async () => {
    const lines = history(30, 10);
    const svg = await curves([...lines, { ...lines[0]!, step: 31, loss: 0 }], { lossScale: 'log' });
    expect(texts(svg)).toEqual(expect.arrayContaining(['nats, logarithmic', '0.5', '1', '2', '4']));
    expect(svg).not.toMatch(/NaN|Infinity/);
  });

  it('says that there are no metrics yet', async () => {
    expect(texts(await curves([])).filter((text) => text === 'No steps yet')).toHaveLength(2);
  });

  it('draws a single line of metrics as a point', async () => {
    const svg = await curves(history(1, 2));
    expect(texts(svg)).toContain('train 2.56');
    expect(svg).not.toContain('NaN');
  });

  it('draws only validation if there is nothing else', async () => {
    const said = texts(await curves(history(20, 5).filter(({ split }) => split === 'val')));
    expect(said).toContain('val 1.25');
    expect(said.some((text) => text.includes('train'))).toBe(false);
  });

  it('thins 10^5 steps to the visible resolution, and keeps the last', async () => {
    const lines = history(100_000, 100);
    const last = lines.findLast(({ split }) => split === 'val')!;
    const svg = await curves([...lines, { ...last, step: 100_001, loss: 1.5, top1Error: 0.875 }]);
    expect(svg.length).toBeLessThan(400_000);
    // Two panels, with one and two quantities; at most 1201 points per curve.
    expect(pointsIn(svg, '#c9dafa')).toBeGreaterThan(3 * 600);
    expect(pointsIn(svg, '#c9dafa')).toBeLessThan(3 * 1202);
    expect(texts(svg)).toEqual(expect.arrayContaining(['val 1.50', 'top-1 val 87.5%']));
  });

  it('includes its colours for dark screens', async () => {
    expect(await curves(history(3, 1))).toMatch(
      /@media screen and \(prefers-color-scheme:dark\)\{\[fill="#ffffff"\]\{fill:#0d1117\}/,
    );
  });

  it('is an image that other programs can read', async () => {
    const { width, height } = await sharp(
      Buffer.from(await curves(history(100, 10), { width: 800, height: 300 })),
    ).metadata();
    expect([width, height]).toEqual([800, 300]);
  });

  it('refuses values that cannot be drawn', async () => {
    const [line] = history(1, 2);
    await expect(curves([{ ...line!, loss: Number.NaN }])).rejects.toThrow(DataError);
    await expect(curves([], { width: Number.NaN })).rejects.toThrow(ConfigError);
    await expect(curves([], { height: 10 })).rejects.toThrow(/at least 640 and 240, got 960 and 10/);
    await expect(curves([], { lossScale: 'cubic' as 'log' })).rejects.toThrow(/'linear' or 'log', got 'cubic'/);
  });
});
