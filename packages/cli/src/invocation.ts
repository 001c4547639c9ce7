import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What a process knows of how it was started. */
export interface Invocation {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory: string;
  /** The script that was started, as `process.argv[1]` has it. */
  readonly script: string;
  readonly platform: NodeJS.Platform;
  /** The repository, where the command runs from its sources. */
  readonly repository: string | undefined;
}

/** The scripts of the repository's `package.json` that start this command. */
const ownScripts: readonly (string | undefined)[] = ['alexnet', 'start'];

function presentInvocation(): Invocation {
  return {
    environment: process.env,
    directory: process.cwd(),
    script: process.argv[1] ?? '',
    platform: process.platform,
    repository: import.meta.url.endsWith('.ts') ? fileURLToPath(new URL('../../..', import.meta.url)) : undefined,
  };
}

/**
 * A line that runs `alexnet` with these words, to be shown and copied: called as this process was, with the quotes that
 * a shell needs.
 */
export function alexnetCommand(words: readonly string[], invocation = presentInvocation()): string {
  const quote = (word: string) => quoted(word, invocation.platform);
  return [callOf(invocation, quote), ...words.map(quote)].join(' ');
}

function callOf({ environment, directory, script, platform, repository }: Invocation, quote: (word: string) => string) {
  if (repository !== undefined) {
    const prefix = isWithin(directory, repository) ? [] : ['--prefix', quote(resolve(repository))];
    return ['npm', ...prefix, 'run alexnet --'].join(' ');
  }
  const { npm_config_user_agent: agent = '', PATH: path = '' } = environment;
  // pnpm and Yarn begin theirs with their names, too.
  const [manager] = agent.split('/') as [string];
  const ofManager = { npm: 'npx alexnet', pnpm: 'pnpm exec alexnet', yarn: 'yarn alexnet', bun: 'bunx alexnet' };
  if (Object.hasOwn(ofManager, manager)) return ofManager[manager as keyof typeof ofManager];
  const onPath = path.split(platform === 'win32' ? ';' : ':').includes(dirname(script));
  return onPath ? 'alexnet' : ofManager.npm;
}

/**
 * Where relative paths begin: the folder that the person stands in. `npm run` moves to the folder of `package.json` before
 * it starts the command.
 */
export function callersFolder(invocation = presentInvocation()): string {
  const { environment, directory, repository } = invocation;
  const { INIT_CWD: stood, npm_lifecycle_event: event } = environment;
  const isMoved = repository !== undefined && ownScripts.includes(event) && resolve(directory) === resolve(repository);
  return isMoved && stood ? stood : directory;
}

function isWithin(path: string, folder: string): boolean {
  const between = relative(folder, path);
  return between !== '..' && !/^\.\.[/\\]/.test(between) && !isAbsolute(between);
}

/** A word as a POSIX shell or, on Windows, as cmd and PowerShell take it for one. */
function quoted(word: string, platform: NodeJS.Platform): string {
  if (platform === 'win32') return /^[\w.:/\\+=,-]+$/.test(word) ? word : `"${word}"`;
  return /^[\w.:/+=,@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
