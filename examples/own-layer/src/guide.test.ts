import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';

const guide = new URL('../../../docs/guides/own-layer.md', import.meta.url);

it('the guide shows what the files of this example hold, which the other tests run', async () => {
  const text = await readFile(guide, 'utf8');
  const blocks = [...text.matchAll(/^```ts\n\/\/ (\S+)\n([\s\S]*?)^```/gm)];
  expect(blocks.length).toBeGreaterThan(4);
  expect(text.match(/^```ts$/gm)).toHaveLength(blocks.length);
  for (const [, file, code] of blocks) {
    const source = await readFile(new URL(file!, import.meta.url), 'utf8');
    expect(source, `${file} of the guide`).toContain(code!.trim());
  }
});
