import { runCommandLine } from './command-line.js';
import { endAtUserSignal } from './interrupt.js';
import { callersFolder } from './invocation.js';
import { outliveOutput } from './lost-output.js';

const sayWhatIsLost = outliveOutput(process.stdout, process.stderr);
endAtUserSignal();
// The only place where relative paths, of arguments and of created files, are resolved.
process.chdir(callersFolder());
process.exitCode = await runCommandLine(process.argv.slice(2));
sayWhatIsLost();
