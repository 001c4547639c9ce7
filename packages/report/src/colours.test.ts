import { describe, expect, it } from 'vitest';
import { colourInWords, colourPanel } from './colours.js';
import { historyOf, type Metric } from './metrics.js';
import { drawPanel } from './panel.js';

const line = (step: number, extra?: Record<string, number>, split: 'train' | 'val' = 'val'): Metric => ({
  ...{ step, epoch: step / 10, split, loss: 1, top1Error: 0.5, top5Error: 0.1 },
  ...(extra && { extra }),
});

describe('how colourful the columns became', () => {
  it('is a curve for each column, compared with the value of noise', async () => {
    const history = historyOf([
      line(10, { other: 7 }),
      line(20, { colourfulness1: 0.6, colourfulness2: 0.7 }),
      line(25, { colourfulness1: 0.9 }, 'train'),
      line(30, { colourfulness1: 0.1, colourfulness2: 0.95, other: 3 }),
    ]);
    const panel = colourPanel(history)!;
    expect(panel.curves.map(({ points }) => points)).toEqual([
      [
        [0, 2 / 3],
        [30, 2 / 3],
      ],
      [
        [20, 0.6],
        [30, 0.1],
      ],
      [
        [20, 0.7],
        [30, 0.95],
      ],
    ]);
    const svg = await drawPanel(440, 300, panel);
    for (const label of ['noise', 'column 1 10%', 'column 2 95%']) expect(svg.includes(`>${label}<`), label).toBe(true);
    expect(colourInWords(history)).toBe(
      'Fraction of colour: column 1 from 60% at step 20 to 10% at step 30; column 2 from 70% at step 20 to 95% at step 30; for noise, it is 67%.',
    );
  });

  it('of a network in one column is one curve', () => {
    const history = historyOf([line(5, { colourfulness1: 0.5 })]);
    expect(colourPanel(history)!.curves).toHaveLength(2);
    expect(colourInWords(history)).toContain('the filters from 50% at step 5 to 50% at step 5');
  });

  it('is not there for runs that noted none', () => {
    const history = historyOf([line(5), line(6, undefined, 'train')]);
    expect(colourPanel(history)).toBeUndefined();
    expect(colourInWords(history)).toBe('');
  });
});
