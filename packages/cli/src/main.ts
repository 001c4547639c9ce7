import { runCommandLine } from './command-line.js';
import { exitCode } from './failure.js';
import { endAtUserSignal } from './interrupt.js';
import { goToCallersFolder } from './invocation.js';
import { outliveOutput } from './lost-output.js';

const sayWhatIsLost = outliveOutput(process.stdout, process.stderr);
endAtUserSignal();
// The only place where relative paths, of arguments and of created files, are resolved.
if (goToCallersFolder()) {
  process.exitCode = await runCommandLine(process.argv.slice(2));
} else {
  console.error('error: the folder that this was started in is not there any more; change to another one');
  process.exitCode = exitCode.failure;
}
sayWhatIsLost();
