import { type PrepareOptions, prepareDataset } from './prepare.js';

// A preparation in a process of its own, for tests that kill it.
await prepareDataset(JSON.parse(process.argv[2]!) as PrepareOptions);
