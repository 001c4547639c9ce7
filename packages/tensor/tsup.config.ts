import { library } from '../../tsup.base.js';

export default library(
  {
    index: 'src/index.ts',
    kernels: 'src/kernels.ts',
    network: 'src/network.ts',
    testing: 'src/testing.ts',
    'trial-child': 'src/trial-child.ts',
    'platform.node': 'src/platform/node.ts',
    'platform.browser': 'src/platform/browser.ts',
  },
  // The two platforms: the program that runs or bundles the package selects one.
  ['#platform'],
);
