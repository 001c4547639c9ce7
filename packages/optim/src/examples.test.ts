import { expect, it } from 'vitest';
import { runExamples } from '../../../example.base.js';
import { frozen } from './patterns.js';
import { sgd } from './sgd.js';

it.each(['patterns.ts', 'sgd.ts'])('the examples of %s make an optimizer', async (source) => {
  const [optimizer] = await runExamples(source, import.meta.url, { frozen, sgd });
  expect(optimizer).toMatchObject({ kind: 'sgd' });
});
