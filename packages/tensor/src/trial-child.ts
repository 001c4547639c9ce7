import { openGpu } from './adapter/adapters.js';
import { serveTrials } from './kernel/serve-trials.js';

// The process in which the tuner tries candidates that may crash it.
serveTrials(openGpu);
