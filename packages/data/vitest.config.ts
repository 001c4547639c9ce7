import { packageTests } from '../../vitest.base.js';

/** No test here computes on an adapter, and many wait for processes that they start. */
export default packageTests({
  globalSetup: ['bundle.setup.ts'],
  setupFiles: ['../../own-script.setup.ts'],
  maxWorkers: 2,
});
