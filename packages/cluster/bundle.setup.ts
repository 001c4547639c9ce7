import { bundledScripts } from '../../bundle.base.js';

export default bundledScripts(import.meta.url, {
  ranks: 'src/ranks.fixture.ts',
  'mpi-thread': 'src/mpi-thread.ts',
});
