import { runReadme } from '@alex/tensor/testing';
import { expect, it } from 'vitest';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toMatch(/paper[\s\S]*12.5,\s+14.86/);
});
