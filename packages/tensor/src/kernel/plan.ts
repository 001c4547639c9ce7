import { ConfigError } from '../errors.js';
import type { Dispatch } from './recorder.js';
import { bytesOf, type Tensor } from './tensor.js';

/** What the plan has to know of a dispatch, or of a transfer to or from another adapter. */
export type Access = Pick<Dispatch, 'label' | 'reads' | 'writes' | 'range'>;

/** Where a tensor lies: in which piece of memory, from which byte on. */
export interface Place {
  readonly piece: number;
  readonly offset: number;
}

/** A place for each tensor without memory of its own, and how large the pieces are. */
export interface MemoryLayout {
  readonly places: ReadonlyMap<Tensor, Place>;
  readonly pieceBytes: readonly number[];
  /** The most bytes that any dispatch needs alive at once: no layout can do with less. */
  readonly leastBytes: number;
}

export interface PlanLimits {
  /** What the place of every tensor must be a multiple of, in bytes. */
  readonly alignment: number;
  /** The largest piece, where no tensor needs a larger one. */
  readonly mostBytes: number;
}

/** Tensors that share memory because each overwrites the one before, alive from dispatch `first` to `last`. */
interface Life {
  readonly tensors: Tensor[];
  readonly bytes: number;
  readonly first: number;
  last: number;
  /** Lives that must lie in other pieces: one dispatch has them both and writes to one, and a piece is bound for either. */
  readonly apart: Set<Life>;
}

/** Rearrangements that are tried; the best ratio is reached in a thousand or so. */
const attempts = 1600;
/** A plan this near to what must be alive is good enough. */
const goodEnough = 1.02;

/**
 * Lays tensors into about as few bytes as their lifetimes allow. One after another, each takes the lowest place in a
 * piece of memory that is free all its life, where it makes pieces grow least ("greedy by size", Pisarchyk and Lee 2020, but
 * with many pieces, since what a dispatch writes must not share one with what it reads). The order decides: from the best of
 * a few, one tensor is moved again and again, and what is not worse is kept. Always the same ones, so plans are the same.
 *
 * @throws ConfigError where a dispatch reads a tensor that nothing wrote before.
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
  // What is placed late is small, and finds a place anywhere.
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

/** Gives each life its place in turn. */
function layOut(order: readonly Life[], { alignment, mostBytes }: PlanLimits): { pieces: Piece[]; bytes: number } {
  const pieces: Piece[] = [];
  for (const life of order) {
    let best: { readonly piece: Piece; readonly offset: number } | undefined;
    let leastGrowth = life.bytes;
    for (const piece of pieces) {
      if (piece.placed.some((other) => life.apart.has(other.life))) continue;
      const offset = lowestFree(piece, life, alignment);
      const growth = Math.max(0, offset + life.bytes - piece.bytes);
      // Of pieces that need not grow the smallest, to keep large ones for large tensors.
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

/** The lowest place in a piece that nothing else takes during a life. */
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
    // Only where the reused tensor is read for the last time by the very dispatch that writes this one.
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

/** When each dispatch takes place: ranges of the same tensors that are dealt with one after another at one moment. */
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
