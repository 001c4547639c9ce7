import { runReadme } from '@alex/tensor/testing';
import { expect, it } from 'vitest';

it('has a README whose snippet runs', async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^validation loss \d+\.\d\d, weights in .*run\n$/);
});
