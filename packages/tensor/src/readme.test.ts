import { test } from 'vitest';
import { runReadme } from '../../../readme.base.js';

test('the snippet of the README runs', () => runReadme(import.meta.url));
