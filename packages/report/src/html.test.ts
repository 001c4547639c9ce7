import { describe, expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';
import { reportHtml } from './html.js';
import type { Metric } from './metrics.js';

const metrics: Metric[] = [
  { step: 10, epoch: 1, split: 'train', loss: 2, top1Error: 0.5, top5Error: 0.25, imagesPerSecond: 90 },
  { step: 20, epoch: 2, split: 'train', loss: 1.5, top1Error: 0.5, top5Error: 0.25, imagesPerSecond: 100 },
  { step: 1500, epoch: 3, split: 'train', loss: 1.25, top1Error: 0.5, top5Error: 0.25, imagesPerSecond: 5 },
  { step: 10, epoch: 1, split: 'val', loss: 2, top1Error: 0.421, top5Error: 0.3, imagesPerSecond: 1 },
  { step: 20, epoch: 2, split: 'val', loss: 1, top1Error: 0.6, top5Error: 0.1 },
];
const image = { data: Uint8Array.from([1, 2, 3]), width: 1, height: 1, channels: 3 } as const;

function headings(html: string): string[] {
  return [...html.matchAll(/<h2>([^<]*)<\/h2>/g)].map((match) => match[1]!);
}

describe('reportHtml', () => {
  it('is a single file that loads nothing and runs nothing', async () => {
    const html = await reportHtml({
      title: 'run',
      metrics,
      filters: { shape: [2, 3, 1, 1], data: new Float32Array(6) },
      filtersOptions: { columns: 2 },
      predictions: [{ image, label: 'a', top5: [{ label: 'a', probability: 1 }] }],
      neighbours: [{ image, nearest: [image] }],
      settings: { model: 'small', seed: 1, demo: true },
    });
    expect(headings(html)).toEqual([
      'Learning',
      'First-layer filters',
      'Predictions',
      'Nearest neighbours',
      'Settings',
    ]);
    expect(html).toContain('<th scope="row">seed</th><td>1</td>');
    expect(html).not.toMatch(/<script|<link|@import|url\((?!#)/);
    for (const [, address] of html.matchAll(/(?:src|href)="([^"]*)"/g)) expect(address).toMatch(/^(data:image\/|#)/);
  });

  it('never gives two parts of the page the same id', async () => {
    const prediction = { image, label: 'a', top5: [] };
    const html = await reportHtml({ title: 'run', metrics, predictions: [prediction, prediction] });
    const names = [...html.matchAll(/ id="([^"]*)"/g)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(2);
    expect(new Set(names).size).toBe(names.length);
  });

  it('shows the best validation error with its top-5 error, the last loss and the median speed of training', async () => {
    const html = await reportHtml({ title: 'run', metrics });
    const values = [...html.matchAll(/<dd>([^<]*)<\/dd>/g)].map((match) => match[1]!);
    expect(values).toEqual(['42.1%', '30.0%', '1.25', '1,500', '90']);
    expect(html).toContain('validation, step 10');
  });

  it('has only curves, without figures, for a run that has not started', async () => {
    const html = await reportHtml({ title: 'run', metrics: [], predictions: [], neighbours: [], settings: {} });
    expect(headings(html)).toEqual(['Learning']);
    expect(html).toContain('No steps yet');
    expect(html).not.toContain('<dl');
  });

  it('escapes all text', async () => {
    const evil = `<img src=x onerror="alert('&')">`;
    const html = await reportHtml({
      title: evil,
      subtitle: evil,
      metrics,
      predictions: [{ image, label: evil, top5: [{ label: evil, probability: 1 }] }],
      settings: { [evil]: evil },
    });
    expect(html).not.toContain('<img');
    expect(html).toContain('<h1>&lt;img src=x onerror=&quot;alert(&#39;&amp;&#39;)&quot;&gt;</h1>');
  });
});

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^Open .*report\.html/);
});
