import { ConfigError } from '@alex/tensor';
import { describe, expect, it } from 'vitest';
import { type Comparison, comparisonHtml } from './comparison.js';
import type { Metric } from './metrics.js';
import { type ComparedRun, overlayPanels } from './overlay.js';
import { accessibilityFaults, cellsOf, parsePage } from './testing/page.js';

function run(name: string, steps: number, batch: number, imagesPerSecond: number): ComparedRun {
  const metrics = Array.from({ length: steps }, (_, index): Metric[] => {
    const [step, epoch] = [index + 1, ((index + 1) * batch) / 1000];
    const train: Metric = {
      step,
      epoch,
      split: 'train',
      loss: 3 / step,
      top1Error: 1 / step,
      top5Error: 0,
      learningRate: 0.1,
      imagesPerSecond,
    };
    return step % 5 === 0 ? [train, { ...train, split: 'val', loss: 4 / step, imagesPerSecond: 1 }] : [train];
  }).flat();
  return { name, metrics, batch };
}

const a = run('a', 20, 100, 50);
const b = run('b', 10, 400, 100);
const full: Comparison = {
  title: 'a and b',
  subtitle: 'two runs',
  runs: [a, b],
  remarks: ['b: stopped.'],
  tables: [
    { caption: 'Figures', columns: ['run', 'a', 'b'], rows: [['steps', '20', '10']] },
    { caption: 'Differences', columns: ['setting', 'a', 'b'], rows: [['batch', '100', '400']] },
  ],
};

describe('overlayPanels', () => {
  const xs = (by: 'epoch' | 'step' | 'time', title: string) =>
    overlayPanels([a, b], by)
      .find((panel) => panel.title === title)!
      .curves.map(({ points }) => points.map(([x]) => x));

  it('draws each run over epochs, steps or the seconds that its steps took', () => {
    expect(xs('step', 'Loss, validation')).toEqual([
      [5, 10, 15, 20],
      [5, 10],
    ]);
    const [epochsA, epochsB] = xs('epoch', 'Loss, validation');
    expect(epochsA).toEqual([0.5, 1, 1.5, 2]);
    expect(epochsB).toEqual([2, 4]);
    // A step of a takes 2 seconds, one of b takes 4; an evaluation is at the position of the step before it.
    expect(xs('time', 'Loss, training')).toEqual(
      [a, b].map(({ batch }, i) => Array.from({ length: [20, 10][i]! }, (_, k) => ((k + 1) * batch) / [50, 100][i]!)),
    );
    expect(xs('time', 'Loss, validation')).toEqual([
      [10, 20, 30, 40],
      [20, 40],
    ]);
  });

  it('has no diagram for what none of the runs has', () => {
    const unevaluated = { ...a, metrics: a.metrics.filter(({ split }) => split === 'train') };
    const titles = (runs: ComparedRun[]) => overlayPanels(runs, 'epoch').map(({ title }) => title);
    expect(titles([unevaluated]).some((title) => title.includes('validation'))).toBe(false);
    expect(titles([unevaluated, b])).toContain('Loss, validation');
    expect(titles([{ name: 'new', metrics: [], batch: 1 }])).toEqual([]);
  });
});

describe('comparisonHtml', () => {
  it('shows every run in every diagram, in a style that the legend names', async () => {
    const html = await comparisonHtml(full);
    const page = parsePage(html);
    expect([...page.querySelectorAll('.legend li')].map(({ textContent }) => textContent)).toEqual(['a', 'b']);
    const strokes = [...page.querySelectorAll('.legend path')].map((path) => path.getAttribute('stroke')!);
    const diagrams = [...page.querySelectorAll('.panels > svg')];
    expect(diagrams.length).toBeGreaterThan(5);
    for (const diagram of diagrams) {
      for (const stroke of strokes) expect(diagram.querySelector(`path[stroke="${stroke}"]`)).not.toBeNull();
    }
    expect([...page.querySelectorAll('h2')].map(({ textContent }) => textContent)).toEqual([
      'Figures',
      'Curves',
      'Differences',
    ]);
    expect(cellsOf(page, 'Differences')).toEqual([
      ['setting', 'a', 'b'],
      ['batch', '100', '400'],
    ]);
  });

  it('passes axe, loads nothing and contains no scripts', async () => {
    const html = await comparisonHtml(full);
    expect(await accessibilityFaults(html)).toEqual([]);
    const named = html.replaceAll(/xmlns(:\w+)?="[^"]*"/g, '');
    expect(/https?:\/\/|<script|<link|url\((?!#)/.exec(named)).toBeNull();
  });

  it('says so if there is nothing to draw yet', async () => {
    const html = await comparisonHtml({ title: 'new', runs: [{ name: 'new', metrics: [], batch: 1 }] });
    expect(html).toContain('There are no steps yet.');
    expect(await accessibilityFaults(html)).toEqual([]);
  });

  it('refuses runs that it cannot draw', async () => {
    await expect(comparisonHtml({ title: 'x', runs: [] })).rejects.toThrow(ConfigError);
    await expect(comparisonHtml({ ...full, by: 'weeks' as 'step' })).rejects.toThrow(
      /'epoch' or 'step' or 'time', got 'weeks'/,
    );
  });
});
