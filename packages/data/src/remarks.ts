/** A remark in words: how many cases there are, the first of them, and how many of each sort. */
export type RemarkWords = (count: number, first: string, sorts: ReadonlyMap<string, number>) => string;

/** Collects what somebody should know of how data were read: a line for each kind of case, however many there are. */
export class Remarks {
  readonly #kinds = new Map<
    RemarkWords,
    { count: number; readonly first: string; readonly sorts: Map<string, number> }
  >();

  /** Counts a case. The words are the same function for all cases of a kind. */
  add(words: RemarkWords, example: string, sort = ''): void {
    const kind = this.#kinds.get(words) ?? { count: 0, first: example, sorts: new Map<string, number>() };
    kind.count++;
    kind.sorts.set(sort, (kind.sorts.get(sort) ?? 0) + 1);
    this.#kinds.set(words, kind);
  }

  /** A line that says it all. */
  say(line: string): void {
    this.add(() => line, '');
  }

  /** In the order in which the kinds came up. */
  lines(): string[] {
    return [...this.#kinds].map(([words, { count, first, sorts }]) => words(count, first, sorts));
  }
}

/** `1 hidden file is left out: a/.x`, or `3 hidden files are left out, a/.x for one`. */
export function leftOut(count: number, one: string, many: string, first: string): string {
  return count === 1
    ? `1 ${one} is left out: ${first}`
    : `${count.toLocaleString('en-US')} ${many} are left out, ${first} for one`;
}

/** Up to three of some names. */
export function someOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? `, and ${names.length - 3} more` : ''}`;
}
