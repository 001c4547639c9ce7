import { test } from 'vitest';
import { alone, runReadme } from '../../../../readme.base.js';

// Here, since @alex/software-gpu stands below this package and has no tools of its own to run it with. The snippet chooses a
// driver for its process.
test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'the snippet of the README of @alex/software-gpu runs',
  () => runReadme(new URL('../../../software-gpu/src/readme.test.ts', import.meta.url).href, alone),
);
