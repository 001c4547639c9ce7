import { describe, expect, it } from 'vitest';
import { ConfigError } from './packages/tensor/src/errors.js';

/** As JavaScript would give a value, or TypeScript with a cast. */
export const odd = (value: unknown) => value as never;

/** What a call throws, at once or gradually. */
export async function thrown(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

/**
 * Tests that calls refuse, by the name of what was called, an option that they do not know, and what is no object of options.
 *
 * @param calls `needed`: options without which a call is refused for another reason
 */
export function refuseWrongOptions(calls: [owner: string, call: (options: never) => unknown, needed?: object][]): void {
  describe.each(calls)('%s', (owner, call, needed = {}) => {
    it('refuses an option that it does not know, and names those that it knows', async () => {
      const error = await thrown(() => call(odd({ ...needed, misspelt: 1 })));
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toContain(`${owner}: unknown option 'misspelt'; known: `);
    });

    it.each([null, 3, [3]])('refuses %j instead of options', async (wrong) => {
      const error = await thrown(() => call(odd(wrong)));
      expect(error).toBeInstanceOf(ConfigError);
      expect((error as Error).message).toContain(`${owner}: takes an object of options, { `);
    });
  });
}

/**
 * Tests that calls are refused with a message.
 *
 * @param kind the error that they throw
 * @param cases what is refused, how it is called, and what the message contains
 */
export function refuse(
  kind: abstract new (...values: never) => Error,
  cases: [what: string, call: () => unknown, message: string | RegExp][],
): void {
  it.each(cases)('%s is refused', async (_, call, message) => {
    const error = await thrown(call);
    expect(error).toBeInstanceOf(kind);
    expect((error as Error).message).toMatch(message);
  });
}
