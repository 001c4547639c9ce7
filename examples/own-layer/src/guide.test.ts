import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const guides = new URL('../../../docs/guides/', import.meta.url);

it.each(['own-layer.md', 'features-and-fine-tuning.md'])('%s shows what other tests run', async (page) => {
  const text = await readFile(new URL(page, guides), 'utf8');
  const blocks = [...text.matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```/gm)];
  expect(blocks.length).toBeGreaterThan(2);
  expect(text.match(/^```ts$/gm)).toHaveLength(blocks.length);
  for (const [, file, code] of blocks) {
    const source = await readFile(new URL(file!, import.meta.url), 'utf8');
    expect(source, `${file} of the guide`).toContain(code!.trim());
  }
});
