import { AlexError, ConfigError, ShapeError } from '@alex/tensor';
import { CommanderError } from 'commander';

/** Exit codes of every command. */
export const exitCode = { success: 0, failure: 1, wrongUse: 2, interrupted: 130, terminated: 143 } as const;

/** A failure of several processes that run a command together: all exit with its code, one of them prints it. */
export class TeamFailure extends AlexError {
  readonly code: number;
  readonly isPrinted: boolean;

  /** @param isPrinted whether another process prints it */
  constructor(message: string, code: number, isPrinted: boolean) {
    super(message);
    this.code = code;
    this.isPrinted = isPrinted;
  }
}

/** The message of a failed command, in one line (undefined if it was already printed), and its exit code. */
export function describeFailure(error: unknown): { readonly line?: string; readonly code: number } {
  if (error instanceof CommanderError) {
    return { code: error.exitCode === 0 ? exitCode.success : exitCode.wrongUse };
  }
  if (error instanceof TeamFailure) {
    return { code: error.code, ...(!error.isPrinted && { line: `error: ${oneLine(error.message)}` }) };
  }
  if (error instanceof AlexError) {
    const wrongUse = error instanceof ConfigError || error instanceof ShapeError;
    return { line: `error: ${oneLine(error.message)}`, code: wrongUse ? exitCode.wrongUse : exitCode.failure };
  }
  const message = error instanceof Error ? error.message : String(error);
  return {
    line: `error: ${oneLine(message)} (unexpected; set DEBUG=alex to see where it comes from)`,
    code: exitCode.failure,
  };
}

/** Joins lines into one. */
export function oneLine(text: string): string {
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
