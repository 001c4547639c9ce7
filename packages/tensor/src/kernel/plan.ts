import { ConfigError } from '../errors.js';
import type { Dispatch } from './recorder.js';
import { bytesOf, type Tensor } from './tensor.js';

/** Which piece of memory each tensor without memory of its own gets, and how large the pieces are. */
export interface MemoryLayout {
  readonly slots: ReadonlyMap<Tensor, number>;
  readonly slotBytes: readonly number[];
  /** The most bytes that any dispatch needs alive at once: no layout can do with less. */
  readonly leastBytes: number;
}

/** Tensors that share memory because each overwrites the one before, alive from dispatch `first` to `last`. */
interface Life {
  readonly tensors: Tensor[];
  readonly bytes: number;
  readonly first: number;
  last: number;
}

/**
 * Lays tensors into as few bytes as their lifetimes allow. Largest first, each goes into the smallest piece of memory
 * that is free all its life ("greedy by size", Pisarchyk and Lee 2020); a new piece is made where there is none.
 *
 * @throws ConfigError where a dispatch reads a tensor that nothing wrote before.
 */
export function planMemory(dispatches: readonly Dispatch[]): MemoryLayout {
  const lives = findLives(dispatches);
  const pieces: { bytes: number; lives: Life[] }[] = [];
  const slots = new Map<Tensor, number>();
  for (const life of [...lives].sort((a, b) => b.bytes - a.bytes || a.first - b.first)) {
    // Pieces come into being largest first, so the last one that is free is the smallest that fits.
    let slot = pieces.findLastIndex((piece) => piece.lives.every((other) => !overlap(other, life)));
    if (slot < 0) slot = pieces.push({ bytes: life.bytes, lives: [] }) - 1;
    pieces[slot]!.lives.push(life);
    for (const tensor of life.tensors) slots.set(tensor, slot);
  }
  return { slots, slotBytes: pieces.map((piece) => piece.bytes), leastBytes: mostAlive(lives, dispatches.length) };
}

function overlap(a: Life, b: Life): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function findLives(dispatches: readonly Dispatch[]): Life[] {
  const first = new Map<Tensor, number>();
  const last = new Map<Tensor, number>();
  const moments = momentsOf(dispatches);
  dispatches.forEach(({ label, reads, writes }, at) => {
    const index = moments[at]!;
    const written = new Set(Object.values(writes));
    for (const tensor of Object.values(reads)) {
      if (tensor.buffer) continue;
      if (!first.has(tensor) && !written.has(tensor)) {
        throw new ConfigError(`${label} reads ${tensor.label} before anything wrote it`);
      }
      last.set(tensor, index);
    }
    for (const tensor of written) {
      if (tensor.buffer) continue;
      if (!first.has(tensor)) first.set(tensor, index);
      last.set(tensor, index);
    }
  });
  const lives = new Map<Tensor, Life>();
  for (const [tensor, start] of first) {
    const bytes = bytesOf(tensor);
    const reused = tensor.mayReuse && lives.get(tensor.mayReuse);
    // Only where the reused tensor is read for the last time by the very dispatch that writes this one.
    if (reused && reused.last === start && reused.bytes === bytes && tensor.mayReuse.dataType === tensor.dataType) {
      reused.tensors.push(tensor);
      reused.last = last.get(tensor)!;
      lives.set(tensor, reused);
    } else {
      lives.set(tensor, { tensors: [tensor], bytes, first: start, last: last.get(tensor)! });
    }
  }
  return [...new Set(lives.values())];
}

/** When each dispatch takes place: ranges of the same tensors that are dealt with one after another at one moment. */
function momentsOf(dispatches: readonly Dispatch[]): number[] {
  let moment = -1;
  return dispatches.map((dispatch, index) => {
    const before = dispatches[index - 1];
    const goesOn =
      dispatch.range !== undefined &&
      dispatch.range.first > 0 &&
      before?.range?.of === dispatch.range.of &&
      before.range.first + before.range.elements === dispatch.range.first &&
      before.writes === dispatch.writes;
    if (!goesOn) moment++;
    return moment;
  });
}

function mostAlive(lives: readonly Life[], length: number): number {
  const change = new Float64Array(length + 1);
  for (const { bytes, first, last } of lives) {
    change[first]! += bytes;
    change[last + 1]! -= bytes;
  }
  let alive = 0;
  let most = 0;
  for (const bytes of change) {
    alive += bytes;
    most = Math.max(most, alive);
  }
  return most;
}
