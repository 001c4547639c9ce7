import { bundledScripts } from '../../bundle.base.js';

export default bundledScripts(import.meta.url, {
  'trial-child': 'src/trial-child.ts',
  'treacherous-driver': 'src/kernel/treacherous-driver.fixture.ts',
  adapters: 'src/adapter/adapters.ts',
  'submit-work': 'src/adapter/submit-work.fixture.ts',
});
