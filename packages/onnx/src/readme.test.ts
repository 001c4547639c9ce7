import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it('has a README whose snippet runs', async () => {
  const printed = await runReadme(import.meta.url);
  expect(printed).toMatch(/^true\nconv1 relu1 norm1 pool1 conv2 .*fc6\n/);
  expect(printed).toMatch(/imageSize: \[ 32, 32 \], mean: \[ 124, 116, 104 \], scale: 64/);
});
