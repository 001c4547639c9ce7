import { expect, it } from 'vitest';
import { describeModel } from './session.js';
import { usualEffort } from './tuning.js';

it('tunes for a training run that is long enough to pay off', () => {
  const paper = describeModel({ variant: 'paper' });
  expect(usualEffort(paper, { batch: 128, steps: 1 })).toBe('cached');
  expect(usualEffort(paper, { batch: 128, steps: 1000 })).toBe('quick');
  expect(usualEffort(describeModel({ variant: 'small' }), { batch: 32, steps: 200 })).toBe('cached');
});
