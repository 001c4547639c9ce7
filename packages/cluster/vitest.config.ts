import { packageTests } from '../../vitest.base.js';

export default packageTests({
  globalSetup: ['bundle.setup.ts'],
  setupFiles: ['../../own-script.setup.ts'],
  // Once, on a busy machine, MPICH ended two ranks before one had answered. The reason is not known; the launcher's output is
  // shown.
  retry: 1,
});
