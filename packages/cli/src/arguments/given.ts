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

/** Refuses empty options, such as `--run "$RUN"` if there is no such variable. */
export function refuseEmpty(command: Command): void {
  for (const option of command.options) {
    const isGiven = command.getOptionValueSource(option.attributeName()) === 'cli';
    const value: unknown = command.getOptionValue(option.attributeName());
    if (isGiven && typeof value === 'string' && value.trim() === '') {
      command.error(`error: option '${option.flags}' is empty; give it a value, or omit it`);
    }
  }
}
