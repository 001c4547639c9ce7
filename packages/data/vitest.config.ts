import { mergeConfig } from 'vitest/config';
import base from '../../vitest.base.js';

/** No test here computes on an adapter, and many wait for processes that they start. */
export default mergeConfig(base, { test: { fileParallelism: true, maxWorkers: 2 } });
