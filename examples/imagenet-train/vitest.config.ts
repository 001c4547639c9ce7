import { packageTests } from '../../vitest.base.js';

export default packageTests({ globalSetup: ['../../packages/cli/bundle.setup.ts'], folder: '.' });
