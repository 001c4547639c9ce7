import { expect, test } from 'vitest';
import { runReadme } from '../../../readme.base.js';

test("the README's snippet runs and prints the output that it shows", async () => {
  const output = await runReadme(import.meta.url);
  expect(output).toContain("[ 'pizza', 'rocket', 'lion', 'strawberry' ]");
  expect(output).toContain(`${8 * 64 * 64 * 3}`);
});
