import { alexnet } from '@alex/model-alexnet';
import { ConfigError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';
import { type RunReport, reportHtml } from './html.js';
import type { Metric } from './metrics.js';
import { accessibilityFaults, cellsOf, type Element, parsePage } from './testing/page.js';

const line = { top1Error: 0.5, top5Error: 0.25 };
const metrics: Metric[] = [
  { ...line, step: 10, epoch: 1, split: 'train', loss: 2, learningRate: 0.01, imagesPerSecond: 90 },
  { ...line, step: 20, epoch: 2, split: 'train', loss: 1.5, learningRate: 0.01, imagesPerSecond: 100 },
  { ...line, step: 1500, epoch: 3, split: 'train', loss: 1.25, learningRate: 0.001, imagesPerSecond: 5 },
  { step: 10, epoch: 1, split: 'val', loss: 2, top1Error: 0.421, top5Error: 0.3, imagesPerSecond: 1 },
  { step: 20, epoch: 2, split: 'val', loss: 1, top1Error: 0.6, top5Error: 0.1 },
];
const image = { data: Uint8Array.from([1, 2, 3]), width: 1, height: 1, channels: 3 } as const;

/** Everything that a report can contain. */
const full: RunReport = {
  title: 'run',
  subtitle: 'of some steps',
  status: { kind: 'unfinished', text: 'stopped after 1,500 of 2,000 steps' },
  remarks: ['Resumed: twice.'],
  metrics,
  network: alexnet({ variant: 'small' }),
  results: [
    {
      caption: 'Table 1',
      columns: ['model', 'top-1'],
      rows: [
        ['CNN', '37.5%'],
        ['this run', '42.1%'],
      ],
      own: [1],
      numbersFrom: 1,
      note: 'Other images.',
    },
  ],
  filters: { shape: [2, 3, 1, 1], data: new Float32Array(6) },
  filtersOptions: { columns: 2 },
  predictions: [
    {
      image,
      label: 'a',
      top5: [
        { label: 'b', probability: 0.7 },
        { label: 'a', probability: 0.004 },
      ],
    },
  ],
  neighbours: [{ image, nearest: [image, image] }],
  speed: { 'images per second': 90 },
  memory: { 'in all': '13 MB' },
  environment: [{ caption: 'Stretches', columns: ['began', 'version'], rows: [['yesterday', '0.3.0']] }],
  settings: { model: 'small', seed: 1, demo: true },
  remaking: [
    { what: 'As it was trained:', lines: ['alexnet train'] },
    { what: 'The configuration', lines: ['{}'], folded: true },
  ],
  footer: 'Written by a test.',
};

const bare = (more: Partial<RunReport> = {}): RunReport => ({ title: 'run', metrics: [], ...more });

function headings(page: Element): string[] {
  return [...page.querySelectorAll('h2')].map(({ textContent }) => textContent);
}

describe('a report', () => {
  it('has a section for each thing that was given, and contents that lead there', async () => {
    const page = parsePage(await reportHtml(full));
    expect(headings(page)).toEqual([
      'The network',
      'Learning',
      'Errors compared with published ones',
      'First-layer filters',
      'Predictions',
      'Nearest neighbours',
      'Speed and memory',
      'Provenance',
      'Settings',
      'How to reproduce it',
    ]);
    const links = [...page.querySelectorAll('nav a')];
    expect(links.map(({ textContent }) => textContent)).toEqual(headings(page));
    for (const link of links) expect(page.querySelector(link.getAttribute('href')!)!.tagName).toBe('SECTION');
    expect(page.querySelector('.status')!.textContent).toContain('stopped after 1,500 of 2,000 steps');
    expect(cellsOf(page, 'Recipe, images and data')).toContainEqual(['seed', '1']);
    expect(cellsOf(page, 'Table 1')).toEqual([
      ['model', 'top-1'],
      ['CNN', '37.5%'],
      ['this run', '42.1%'],
    ]);
  });

  it('loads nothing and contains no scripts', async () => {
    const html = await reportHtml(full);
    expect(/<script|<link|<iframe|@import|url\((?!#)| on\w+="/.exec(html)).toBeNull();
    for (const [, address] of html.matchAll(/(?:src|href|srcset|action|poster)="([^"]*)"/g)) {
      expect(address).toMatch(/^(data:image\/|#)/);
    }
    // Addresses that are names and are not fetched: the namespaces of SVG.
    expect(/https?:\/\/.*/.exec(html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, ''))).toBeNull();
  });

  it('passes axe, with everything and with next to nothing', async () => {
    expect(await accessibilityFaults(await reportHtml(full))).toEqual([]);
    expect(await accessibilityFaults(await reportHtml(bare()))).toEqual([]);
  });

  it('names every image, drawing, table and scrollable part', async () => {
    const page = parsePage(await reportHtml(full));
    for (const each of page.querySelectorAll('img')) expect(each.getAttribute('alt')).toMatch(/\w{3}/);
    for (const each of page.querySelectorAll('figure svg[width]'))
      expect(each.getAttribute('aria-label')).toMatch(/\w{3}/);
    for (const table of page.querySelectorAll('table')) {
      expect(table.querySelector('caption')!.textContent).toMatch(/\w{3}/);
      for (const cell of table.querySelectorAll('th')) expect(cell.getAttribute('scope')).toMatch(/^(row|col)$/);
    }
    for (const each of page.querySelectorAll('.scroll')) {
      expect([each.getAttribute('role'), each.getAttribute('tabindex')]).toEqual(['region', '0']);
    }
    expect([...page.querySelectorAll('h1')]).toHaveLength(1);
  });

  it('never gives two parts of the page the same name', async () => {
    const [prediction] = full.predictions!;
    const page = parsePage(await reportHtml({ ...full, predictions: [prediction!, prediction!] }));
    const names = [...page.querySelectorAll('[id]')].map(({ id }) => id);
    expect(names.length).toBeGreaterThan(10);
    expect(new Set(names).size).toBe(names.length);
  });

  it('escapes all given texts', async () => {
    const evil = `<img src=x onerror="alert('&')">`;
    const html = await reportHtml({
      ...full,
      title: evil,
      subtitle: evil,
      status: { kind: 'failed', text: evil },
      remarks: [evil],
      predictions: [{ image, label: evil, top5: [{ label: evil, probability: 1 }] }],
      results: [{ caption: evil, columns: [evil], rows: [[evil]], note: evil }],
      columnNames: [evil, evil],
      settings: { [evil]: evil },
      remaking: [{ what: evil, lines: [evil] }],
      footer: evil,
    });
    const page = parsePage(html);
    expect([...page.querySelectorAll('img:not([alt])')]).toHaveLength(0);
    expect(html).not.toContain('<img src=x');
    expect(page.querySelector('h1')!.textContent).toBe(evil);
    expect(page.querySelector('.guesses .right')!.textContent).toContain(evil);
  });
});

describe('its figures', () => {
  const values = (page: Element) => [...page.querySelectorAll('dd:not(.note)')].map(({ textContent }) => textContent);

  it('are the best validation error with its top-5 error, the last loss and the median speed of training', async () => {
    const page = parsePage(await reportHtml(bare({ metrics })));
    expect(values(page)).toEqual(['42.1%', '30.0%', '1.25', '1,500', '90']);
    expect(page.querySelector('.tiles')!.textContent).toContain('validation, step 10');
  });

  it('in the table come from the metrics', async () => {
    const page = parsePage(await reportHtml(bare({ metrics })));
    expect(cellsOf(page, 'Evaluations, and the mean of training since the previous one')).toEqual([
      ['step', 'epoch', 'rate', 'training loss', 'training top-1', 'loss', 'top-1', 'top-5'],
      ['10', '1.00', '0.01', '2.0000', '50.0%', '2.0000', '42.1%', '30.0%'],
      ['20', '2.00', '0.01', '1.5000', '50.0%', '1.0000', '60.0%', '10.0%'],
    ]);
  });

  it('are means over all steps between evaluations, and most rows of a long run are omitted', async () => {
    const long = Array.from({ length: 3000 }, (_, index): Metric[] => {
      const step = index + 1;
      const loss = (index * 7919) % 13;
      const train: Metric = { ...line, step, epoch: step / 10, split: 'train', loss, top1Error: (index % 8) / 8 };
      return step % 10 === 0 ? [train, { ...line, step, epoch: step / 10, split: 'val', loss: step / 1000 }] : [train];
    }).flat();
    const page = parsePage(await reportHtml(bare({ metrics: long })));
    const [, ...rows] = cellsOf(page, 'Evaluations, and the mean of training since the previous one');
    expect(rows.length).toBeGreaterThan(60);
    expect(rows.length).toBeLessThan(130);
    expect(rows.at(-1)![0]).toBe('3000');
    for (const [step, , , loss, top1, validation] of rows) {
      const since = long.filter(
        (each) => each.split === 'train' && each.step > Number(step) - 10 && each.step <= Number(step),
      );
      const mean = (of: (each: Metric) => number) => since.reduce((sum, each) => sum + of(each), 0) / 10;
      expect(loss).toBe(mean((each) => each.loss).toFixed(4));
      expect(top1).toBe(`${(100 * mean((each) => each.top1Error)).toFixed(1)}%`);
      expect(validation).toBe((Number(step) / 1000).toFixed(4));
    }
    expect(page.querySelector('#learning')!.textContent).toContain(`${rows.length} of 300 rows`);
  });

  it('are those of training alone if nothing was evaluated, even for a single step', async () => {
    const [first] = metrics;
    const page = parsePage(await reportHtml(bare({ metrics: [first!] })));
    expect(page.querySelector('#learning p')!.textContent).toContain('There was no evaluation');
    expect(cellsOf(page, 'Steps of training')).toEqual([
      ['step', 'epoch', 'rate', 'training loss', 'training top-1', 'training top-5'],
      ['10', '1.00', '0.01', '2.0000', '50.0%', '25.0%'],
    ]);
    expect(values(page)).toEqual(['2.00', '10', '90']);
  });

  it('are omitted for a run that has not started', async () => {
    const html = await reportHtml(bare({ predictions: [], neighbours: [], settings: {} }));
    const page = parsePage(html);
    expect(headings(page)).toEqual(['Learning']);
    expect(html).toContain('No steps yet');
    expect(page.querySelector('dl')).toBeNull();
    expect(page.querySelector('nav')).toBeNull();
  });

  it('have no means for an evaluation without training before it', async () => {
    const page = parsePage(await reportHtml(bare({ metrics: metrics.slice(3) })));
    expect(cellsOf(page, 'Evaluations, and the mean of training since the previous one')[1]).toEqual([
      '10',
      '1.00',
      '',
      '',
      '',
      '2.0000',
      '42.1%',
      '30.0%',
    ]);
  });
});

describe('its size', () => {
  /** An image that neither JPEG nor PNG can compress. */
  function noise(side: number) {
    let state = 1;
    const next = () => {
      state = (state * 1664525 + 1013904223) >>> 0;
      return state >>> 24;
    };
    return {
      data: Uint8Array.from({ length: side * side * 3 }, next),
      width: side,
      height: side,
      channels: 3,
    } as const;
  }

  it('stays under 3 MB with images that compress badly, by lowering their resolution', async () => {
    const hard = noise(256);
    const predictions = Array.from({ length: 16 }, () => ({ image: hard, label: 'a', top5: [] }));
    const neighbours = Array.from({ length: 8 }, () => ({
      image: hard,
      nearest: Array.from({ length: 6 }, () => hard),
    }));
    const bytes = Buffer.byteLength(await reportHtml({ ...full, predictions, neighbours }));
    expect(bytes).toBeGreaterThan(1e6);
    expect(bytes).toBeLessThan(3e6);
  });

  it('is refused beyond that, with what to do', async () => {
    const predictions = [{ image, label: 'a'.repeat(2e6), top5: [] }];
    const refused = reportHtml(bare({ predictions }));
    await expect(refused).rejects.toThrow(ConfigError);
    await expect(refused).rejects.toThrow(/at most 3 are allowed: show fewer images/);
  });
});

it('refuses an invalid probability', async () => {
  const predictions = [{ image, label: 'a', top5: [{ label: 'b', probability: 1.5 }] }];
  await expect(reportHtml(bare({ predictions }))).rejects.toThrow(/probability of b must be between 0 and 1, got 1.5/);
});

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^Open .*report\.html/);
});
