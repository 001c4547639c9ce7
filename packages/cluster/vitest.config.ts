import { packageTests } from '../../vitest.base.js';

export default packageTests({
  globalSetup: ['bundle.setup.ts'],
  setupFiles: ['../../own-script.setup.ts'],
});
