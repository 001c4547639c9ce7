/** A remark in words: the number of cases, the first one, and the number of each sort. */
export type RemarkWords = (count: number, first: string, sorts: ReadonlyMap<string, number>) => string;

/** Collects remarks about how data were read: one line for each kind of case, however many there are. */
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

  /** Adds a complete line. */
  say(line: string): void {
    this.add(() => line, '');
  }

  /** In the order in which the kinds first occurred. */
  lines(): string[] {
    return [...this.#kinds].map(([words, { count, first, sorts }]) => words(count, first, sorts));
  }
}

/** `1 hidden file is skipped: a/.x`, or `3 hidden files are skipped, for example a/.x`. */
export function leftOut(count: number, one: string, many: string, first: string): string {
  return count === 1
    ? `1 ${one} is skipped: ${first}`
    : `${count.toLocaleString('en-US')} ${many} are skipped, for example ${first}`;
}

/** Up to three of some names. */
export function someOf(names: readonly string[]): string {
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? `, and ${names.length - 3} more` : ''}`;
}
