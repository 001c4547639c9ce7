import { packageTests } from '../../vitest.base.js';

export default packageTests({ setupFiles: ['src/testing/shared-devices.ts'] });
