import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  const [training, test] = (await runReadme(import.meta.url)).split('\n');
  expect(training!.split(' ').every((value, i) => value === '0' || value === String(i + 1))).toBe(true);
  expect(test).toBe('0.5 1 1.5 2 2.5 3 3.5 4');
});
