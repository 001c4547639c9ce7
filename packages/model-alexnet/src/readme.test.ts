import { expect, test } from 'vitest';
import { runReadme } from '../../../readme.base.js';

test('the snippet of the README prints the table, a name and the variants', async () => {
  const printed = await runReadme(import.meta.url);
  expect(printed).toMatch(/total +60,965,224 +724,406,816/);
  expect(printed).toContain('60965224 parameters, 724406816 multiply-adds per image');
  expect(printed).toContain('release-2012 without conv4 [ 102 ]');
  expect(printed).toMatch(/^cifar-11pct /m);
});
