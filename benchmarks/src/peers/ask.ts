import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type Answer, parseAnswer, type Request } from './protocol.js';

export interface AskOptions {
  /** The process is killed if it has not answered by then. */
  readonly limitMs: number;
  /** Program and arguments; the request is appended as the last one. Default: child.ts. */
  readonly command?: readonly [string, ...string[]];
}

const childCommand = [
  process.execPath,
  '--conditions=@alex/source',
  '--import',
  'tsx',
  fileURLToPath(new URL('./child.ts', import.meta.url)),
] as const;

/** Has a request answered by a separate process. A failure there is an answer as well. */
export function ask(request: Request, { limitMs, command = childCommand }: AskOptions): Promise<Answer> {
  const [program, ...rest] = command;
  return new Promise((resolve) => {
    const child = spawn(program, [...rest, JSON.stringify(request)], { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let complaints = '';
    let tookTooLong = false;
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    // A process that hangs in a driver reacts to no gentler signal.
    const end = () => child.kill('SIGKILL');
    const limit = setTimeout(() => {
      tookTooLong = true;
      end();
    }, limitMs);
    process.once('exit', end);
    const finish = (answer: Answer) => {
      clearTimeout(limit);
      process.off('exit', end);
      resolve(answer);
    };
    child.on('error', (error) => finish({ failure: `cannot be started: ${error.message}` }));
    child.on('close', (code, signal) => {
      const answer = parseAnswer(output);
      if (answer) finish(answer);
      else if (tookTooLong) finish({ failure: `took longer than ${limitMs / 1000} s` });
      else {
        const how = code === 0 ? 'ended without an answer' : `ended with ${signal ?? `exit code ${code}`}`;
        // Dawn prints its usual warnings; they are not the reason.
        const last = complaints
          .trim()
          .split('\n')
          .findLast((line) => !line.startsWith('Warning: '));
        finish({ failure: last ? `${how}: ${last}` : how });
      }
    });
  });
}
