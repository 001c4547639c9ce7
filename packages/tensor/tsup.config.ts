import { library } from '../../tsup.base.js';

export default library(['src/index.ts', 'src/kernels.ts', 'src/network.ts', 'src/testing.ts', 'src/trial-child.ts']);
