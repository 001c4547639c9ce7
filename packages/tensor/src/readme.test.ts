import { test } from 'vitest';
import { runReadme } from './testing.js';

test('the snippet of the README runs', () => runReadme(import.meta.url));
