import { library } from '../../tsup.base.js';

export default library(['src/index.ts', 'src/decode-worker.ts', 'src/shard-process.ts']);
