import { packageTests } from '../../vitest.base.js';

export default packageTests({
  globalSetup: ['src/testing/bundle.setup.ts'],
  setupFiles: ['src/testing/shared-devices.ts'],
});
