import { packageTests } from '../../vitest.base.js';

export default packageTests({
  // Most of these tests wait for processes that they start.
  maxWorkers: 2,
  globalSetup: ['bundle.setup.ts'],
  setupFiles: ['../../own-script.setup.ts', 'src/testing/shared-devices.ts'],
});
