import base from '../../vitest.base.js';

export default { ...base, test: { ...base.test, include: ['*.test.ts'] } };
