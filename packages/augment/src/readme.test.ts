import { runReadme } from '@alex/tensor/testing';
import { expect, it } from 'vitest';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toMatch(/^74\.[67]/);
});
