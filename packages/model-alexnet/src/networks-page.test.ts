import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { alexnet, variants } from './index.js';

const page = readFileSync(new URL('../../../docs/networks.md', import.meta.url), 'utf8');

/** The cells of the page's tables that hold counts: `variant`, description, image, parameters, multiply-adds. */
const rows = [...page.matchAll(/^\| `([^`]+)` \|[^|]*\| (\d+) \| ([\d,]+) \| ([\d,]+) \|$/gm)].map((match) =>
  match.slice(1),
);

test('docs/networks.md lists every variant, in order, with its image and counts', () => {
  const count = (value: number) => value.toLocaleString('en-US');
  expect(rows).toEqual(
    variants.map(({ name, inputSize }) => {
      const { parameterCount, multiplyAdds } = alexnet({ variant: name });
      return [name, `${inputSize}`, count(parameterCount), count(multiplyAdds)];
    }),
  );
});
