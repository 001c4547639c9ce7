import { dirname, isAbsolute, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** How a process was started. */
export interface Invocation {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The working directory. */
  readonly directory: string;
  /** The script that was started, from `process.argv[1]`. */
  readonly script: string;
  readonly platform: NodeJS.Platform;
  /** The repository, if the command runs from its sources. */
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
 * A command line that runs `alexnet` with these words, for display and copying: started in the same way as this
 * process, and quoted for a shell.
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
  // The user agents of pnpm and Yarn start with their names.
  const [manager] = agent.split('/') as [string];
  const ofManager = { npm: 'npx alexnet', pnpm: 'pnpm exec alexnet', yarn: 'yarn alexnet', bun: 'bunx alexnet' };
  if (Object.hasOwn(ofManager, manager)) return ofManager[manager as keyof typeof ofManager];
  const onPath = path.split(platform === 'win32' ? ';' : ':').includes(dirname(script));
  return onPath ? 'alexnet' : ofManager.npm;
}

/**
 * The folder that relative paths start from: the user's current folder. `npm run` changes to the folder of
 * `package.json` before it starts the command.
 */
export function callersFolder(invocation = presentInvocation()): string {
  const { environment, directory, repository } = invocation;
  const { INIT_CWD: stood, npm_lifecycle_event: event } = environment;
  const isMoved = repository !== undefined && ownScripts.includes(event) && resolve(directory) === resolve(repository);
  return isMoved && stood ? stood : directory;
}

/** Goes to the user's current folder; returns false if it was removed. */
export function goToCallersFolder(): boolean {
  try {
    process.chdir(callersFolder());
    return true;
  } catch {
    return false;
  }
}

function isWithin(path: string, folder: string): boolean {
  const between = relative(folder, path);
  return between !== '..' && !/^\.\.[/\\]/.test(between) && !isAbsolute(between);
}

/** A word quoted for a POSIX shell or, on Windows, for both cmd and PowerShell. */
function quoted(word: string, platform: NodeJS.Platform): string {
  if (platform === 'win32') return /^[\w.:/\\+=,-]+$/.test(word) ? word : `"${word}"`;
  return /^[\w.:/+=,@%-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
