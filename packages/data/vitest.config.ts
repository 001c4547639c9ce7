import { packageTests } from '../../vitest.base.js';

/** No test here computes on an adapter, and many wait for processes that they start. */
export default packageTests({ maxWorkers: 2 });
