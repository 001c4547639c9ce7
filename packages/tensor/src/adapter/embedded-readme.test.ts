import { test } from 'vitest';
import { withoutEmbedded } from '../../../../embedded-driver.base.js';
import { alone, runReadme } from '../../../../readme.base.js';

// It is here because @alex/software-gpu is below this package and has no tools to run it. The snippet chooses a driver for
// its process.
test('the snippet of the README of @alex/software-gpu runs', async ({ skip }) => {
  skip(withoutEmbedded !== undefined, withoutEmbedded);
  await runReadme(new URL('../../../software-gpu/src/readme.test.ts', import.meta.url).href, alone);
});
