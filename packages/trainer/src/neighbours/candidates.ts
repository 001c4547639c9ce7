import type { Bounds } from './bounds.js';

/** A row that may be among the nearest. */
export interface Candidate extends Bounds {
  readonly row: number;
}

/**
 * The rows that may be among the `count` nearest according to the bounds of their distances: those that are not certainly farther
 * than `count` others. Rows are added in order: if distances are equal, the first counts as nearer. Takes 24 bytes for each
 * remaining row, however many were added.
 */
export class Candidates {
  readonly #count: number;
  /** The `count` smallest upper bounds so far, in ascending order. */
  readonly #smallest: number[] = [];
  #rows: number[] = [];
  #least: number[] = [];
  #most: number[] = [];
  #nextPruning = 1024;

  constructor(count: number) {
    this.#count = count;
  }

  /** A row that is at least this far away, and comes later than the existing ones, is not one of the nearest. */
  get limit(): number {
    return this.#smallest[this.#count - 1] ?? Number.POSITIVE_INFINITY;
  }

  add(row: number, { least, most }: Bounds): void {
    if (least >= this.limit) return;
    this.#rows.push(row);
    this.#least.push(least);
    this.#most.push(most);
    if (most < this.limit) this.#note(most);
    if (this.#rows.length < this.#nextPruning) return;
    this.#prune();
    this.#nextPruning = 2 * this.#rows.length + 1024;
  }

  /** In order of their numbers. */
  inOrder(): Candidate[] {
    this.#prune();
    return this.#rows.map((row, i) => ({ row, least: this.#least[i]!, most: this.#most[i]! }));
  }

  #note(most: number): void {
    let at = this.#smallest.length;
    while (at > 0 && this.#smallest[at - 1]! > most) at--;
    this.#smallest.splice(at, 0, most);
    this.#smallest.length = Math.min(this.#smallest.length, this.#count);
  }

  #prune(): void {
    // Keeps rows exactly at the limit: one of them may have set it.
    const kept = this.#rows.flatMap((_, i) => (this.#least[i]! <= this.limit ? [i] : []));
    this.#rows = kept.map((i) => this.#rows[i]!);
    this.#least = kept.map((i) => this.#least[i]!);
    this.#most = kept.map((i) => this.#most[i]!);
  }
}
