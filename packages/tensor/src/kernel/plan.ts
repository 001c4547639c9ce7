import { ConfigError } from '../errors.js';
import type { Dispatch } from './recorder.js';
import { bytesOf, type Tensor } from './tensor.js';

/** What the plan has to know about a dispatch, or about a transfer to or from another adapter. */
export type Access = Pick<Dispatch, 'label' | 'reads' | 'writes' | 'range'>;

/** The position of a tensor: the block of memory, and the first byte. */
export interface Place {
  readonly piece: number;
  readonly offset: number;
}

/** The position of every tensor without memory of its own, and the sizes of the blocks. */
export interface MemoryLayout {
  readonly places: ReadonlyMap<Tensor, Place>;
  readonly pieceBytes: readonly number[];
  /** The most bytes that any dispatch needs alive at once: no layout can need less. */
  readonly leastBytes: number;
}

export interface PlanLimits {
  /** The position of every tensor is a multiple of this, in bytes. */
  readonly alignment: number;
  /** Size of the largest block, unless a tensor needs a larger one. */
  readonly mostBytes: number;
}

/** Tensors that share memory because each overwrites the previous one, alive from dispatch `first` to `last`. */
interface Life {
  readonly tensors: Tensor[];
  readonly bytes: number;
  readonly first: number;
  last: number;
  /**
   * Lives that need different blocks: one dispatch uses both and writes one, and a block is bound either for reading or
   * for writing.
   */
  readonly apart: Set<Life>;
}

/** Number of rearrangements to try; the best ratio is reached after a thousand or so. */
const attempts = 1600;
/** A plan this close to the least possible memory is good enough. */
const goodEnough = 1.02;

/**
 * Places tensors in about as few bytes as their lifetimes allow. Each tensor in turn gets the lowest position in a
 * block that is free for its whole life and makes the blocks grow least (greedy by size, Pisarchyk and Lee 2020, but
 * with several blocks, since a dispatch's outputs cannot share one with its inputs). The order matters: starting from
 * the best of a few orders, one tensor at a time is moved, and a plan that is not worse is kept. The sequence is fixed,
 * so plans are deterministic.
 *
 * @throws ConfigError if a dispatch reads a tensor that nothing wrote before
 */
export function planMemory(dispatches: readonly Access[], limits: PlanLimits): MemoryLayout {
  const lives = findLives(dispatches);
  const leastBytes = mostAlive(lives, dispatches.length);
  const pieces = bestPieces(lives, leastBytes, limits);
  const places = new Map<Tensor, Place>();
  pieces.forEach(({ placed }, piece) => {
    for (const { life, offset } of placed) for (const tensor of life.tensors) places.set(tensor, { piece, offset });
  });
  return { places, pieceBytes: pieces.map(({ bytes }) => bytes), leastBytes };
}

interface Piece {
  bytes: number;
  readonly placed: { readonly life: Life; readonly offset: number }[];
}

function bestPieces(lives: readonly Life[], leastBytes: number, limits: PlanLimits): Piece[] {
  const span = ({ first, last }: Life) => last - first + 1;
  const orders = [
    (a: Life, b: Life) => b.bytes - a.bytes || a.first - b.first,
    (a: Life, b: Life) => b.bytes * span(b) - a.bytes * span(a) || a.first - b.first,
    (a: Life, b: Life) => a.first - b.first || b.bytes - a.bytes,
  ].map((compare) => [...lives].sort(compare));
  const tried = orders.map((order) => ({ order, ...layOut(order, limits) }));
  let best = tried.reduce((one, other) => (other.bytes < one.bytes ? other : one));
  // Tensors that are placed late are small and fit anywhere.
  const movable = Math.min(lives.length, 60);
  let state = 1;
  const drawn = (below: number) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
  for (let attempt = 0; attempt < attempts && best.bytes > goodEnough * leastBytes; attempt++) {
    const order = [...best.order];
    order.splice(drawn(movable), 0, ...order.splice(drawn(movable), 1));
    const moved = layOut(order, limits);
    if (moved.bytes <= best.bytes) best = { order, ...moved };
  }
  return best.pieces;
}

/** Places the lives in this order. */
function layOut(order: readonly Life[], { alignment, mostBytes }: PlanLimits): { pieces: Piece[]; bytes: number } {
  const pieces: Piece[] = [];
  for (const life of order) {
    let best: { readonly piece: Piece; readonly offset: number } | undefined;
    let leastGrowth = life.bytes;
    for (const piece of pieces) {
      if (piece.placed.some((other) => life.apart.has(other.life))) continue;
      const offset = lowestFree(piece, life, alignment);
      const growth = Math.max(0, offset + life.bytes - piece.bytes);
      // If no block needs to grow, the smallest one is used, to keep large ones for large tensors.
      const better = growth < leastGrowth || (growth === 0 && best && piece.bytes < best.piece.bytes);
      if (!better || (growth > 0 && offset + life.bytes > mostBytes)) continue;
      best = { piece, offset };
      leastGrowth = growth;
    }
    if (!best) {
      best = { piece: { bytes: 0, placed: [] }, offset: 0 };
      pieces.push(best.piece);
    }
    best.piece.bytes = Math.max(best.piece.bytes, best.offset + life.bytes);
    best.piece.placed.push({ life, offset: best.offset });
  }
  return { pieces, bytes: pieces.reduce((sum, piece) => sum + piece.bytes, 0) };
}

/** The lowest position in a block that is free for a whole life. */
function lowestFree({ placed }: Piece, life: Life, alignment: number): number {
  let offset = 0;
  const meanwhile = placed.filter((other) => overlap(other.life, life)).sort((a, b) => a.offset - b.offset);
  for (const other of meanwhile) {
    if (offset + life.bytes <= other.offset) break;
    offset = Math.max(offset, Math.ceil((other.offset + other.life.bytes) / alignment) * alignment);
  }
  return offset;
}

function overlap(a: Life, b: Life): boolean {
  return a.first <= b.last && b.first <= a.last;
}

function findLives(dispatches: readonly Access[]): Life[] {
  const first = new Map<Tensor, number>();
  const last = new Map<Tensor, number>();
  const moments = momentsOf(dispatches);
  dispatches.forEach(({ label, reads, writes }, at) => {
    const index = moments[at]!;
    const written = new Set(Object.values(writes));
    for (const tensor of Object.values(reads)) {
      if (tensor.lasting) continue;
      if (!first.has(tensor) && !written.has(tensor)) {
        throw new ConfigError(`${label} reads ${tensor.label} before anything wrote it`);
      }
      last.set(tensor, index);
    }
    for (const tensor of written) {
      if (tensor.lasting) continue;
      if (!first.has(tensor)) first.set(tensor, index);
      last.set(tensor, index);
    }
  });
  const lives = new Map<Tensor, Life>();
  for (const [tensor, start] of first) {
    const bytes = bytesOf(tensor);
    const reused = tensor.mayReuse && lives.get(tensor.mayReuse);
    // Only if the last read of the reused tensor is by the dispatch that writes this one.
    if (reused && reused.last === start && reused.bytes === bytes && tensor.mayReuse.dataType === tensor.dataType) {
      reused.tensors.push(tensor);
      reused.last = last.get(tensor)!;
      lives.set(tensor, reused);
    } else {
      lives.set(tensor, { tensors: [tensor], bytes, first: start, last: last.get(tensor)!, apart: new Set() });
    }
  }
  for (const { reads, writes } of dispatches) {
    for (const written of Object.values(writes)) {
      for (const other of [...Object.values(reads), ...Object.values(writes)]) {
        const [one, two] = [lives.get(written), lives.get(other)];
        if (!one || !two || one === two) continue;
        one.apart.add(two);
        two.apart.add(one);
      }
    }
  }
  return [...new Set(lives.values())];
}

/** The moment of each dispatch: successive ranges of the same tensors share one moment. */
function momentsOf(dispatches: readonly Access[]): number[] {
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
