import type { Command } from 'commander';

/**
 * Records the values that a command's options are given.
 *
 * @returns a function that reports afterwards which values are not used, because a later one is
 */
export function listenToGiven(command: Command): () => string[] {
  const given = new Map<string, string[]>();
  for (const option of command.options) {
    if (!option.required && !option.optional) continue;
    command.on(`option:${option.name()}`, (value: string | null) => {
      given.set(option.long!, [...(given.get(option.long!) ?? []), value ?? '']);
    });
  }
  return () =>
    [...given].flatMap(([flag, values]) => {
      const last = values.at(-1)!;
      return values
        .filter((value) => value !== last)
        .map((value) => `${flag} ${value} is not used: ${flag} ${last} comes after it.`);
    });
}

/** What Node puts for bytes that are not UTF-8, such as those of a name in Latin-1. The file itself cannot be found by it. */
const undecodable = '\ufffd';
const useUtf8 = 'is not in UTF-8; give a name that is, such as that of a link to it';

/**
 * Refuses empty options and arguments, such as `--run "$RUN"` if there is no such variable, options whose value is the
 * next option, as in `--run --resume`, and names that are not in UTF-8.
 */
export function refuseUnusable(command: Command): void {
  for (const option of command.options) {
    const value: unknown = command.getOptionValue(option.attributeName());
    if (command.getOptionValueSource(option.attributeName()) !== 'cli' || typeof value !== 'string') continue;
    if (command.options.some(({ long, short }) => value === long || value === short)) {
      command.error(`error: option '${option.flags}' has the option ${value} as its value; give it a value of its own`);
    }
    if (value.trim() === '') {
      command.error(`error: option '${option.flags}' is empty; give it a value, or omit it`);
    }
    if (value.includes(undecodable)) {
      command.error(`error: option '${option.flags}': ${value} ${useUtf8}`);
    }
  }
  const { args, registeredArguments: known } = command;
  const unreadable = args.find((word) => word.includes(undecodable));
  if (unreadable !== undefined) command.error(`error: ${unreadable} ${useUtf8}`);
  const empty = args.findIndex((word) => word.trim() === '');
  if (empty === -1) return;
  const { [empty]: argument = known.at(-1) } = known;
  command.error(`error: argument '${argument?.name()}' is empty; give it a value, or omit it`);
}

/** The environment variables that the command reads. */
const variables: readonly string[] = ['ALEX_ADAPTER', 'ALEX_CACHE'];

/** Variables that were meant for the command, by their names, and are not read: `ALEX_ADAPTERS`. */
export function misspeltVariables(environment: Readonly<Record<string, string | undefined>>): string[] {
  return Object.keys(environment).flatMap((name) => {
    const meant = variables.find((own) => name.startsWith(own.slice(0, 'ALEX_ADAP'.length)));
    if (meant === undefined || variables.includes(name)) return [];
    return [`The environment variable ${name} is not used; did you mean ${meant}?`];
  });
}
