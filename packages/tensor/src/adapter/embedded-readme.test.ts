import { test } from 'vitest';
import { runReadme } from '../../../../readme.base.js';

// Here, because @alex/software-gpu is below this package and has no tools to run it.
test.runIf(process.platform === 'linux' && process.arch === 'x64')(
  'the snippet of the README of @alex/software-gpu runs',
  () => runReadme(new URL('../../../software-gpu/src/readme.test.ts', import.meta.url).href),
);
