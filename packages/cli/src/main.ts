import { runCommandLine } from './command-line.js';
import { endAtUserSignal, outlive } from './interrupt.js';

outlive(process.stdout, process.stderr);
endAtUserSignal();
process.exitCode = await runCommandLine(process.argv.slice(2));
