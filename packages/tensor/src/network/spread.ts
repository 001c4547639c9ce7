import { recordElementwise } from '../kernel/elementwise.js';
import { recordPerElement } from '../kernel/per-element.js';
import type { Recorder, Transfer } from '../kernel/recorder.js';
import { bytesPerElement, type DataType, type Tensor } from '../kernel/tensor.js';
import { elementCount, type Shape } from '../shape.js';
import type { NetworkPart, Range, Spread } from './part.js';

/** One adapter's piece of a spread activation, as a rectangle of the matrix `[features][images]` in memory. */
interface Piece {
  readonly shape: Shape;
  readonly features: Range;
  readonly images: Range;
}

/** The piece of the adapter with this number. */
export function pieceOf({ shape, over, ranges }: Spread, adapter: number): Piece {
  const [images = 0, ...rest] = shape;
  const range = ranges[adapter]!;
  if (over === 'images') {
    return { shape: [range.count, ...rest], features: { first: 0, count: elementCount(rest) }, images: range };
  }
  const [, ...map] = rest;
  const area = elementCount(map);
  return {
    shape: [images, range.count, ...map],
    features: { first: range.first * area, count: range.count * area },
    images: { first: 0, count: images },
  };
}

/** WGSL for the position of a piece's element `i` in the whole. */
function placeInWhole({ features, images }: Piece, { shape }: Spread): string {
  const all = shape[0]!;
  if (images.count === all) return `i + ${features.first * all}u`;
  return `(i / ${images.count}u + ${features.first}u) * ${all}u + i % ${images.count}u + ${images.first}u`;
}

/** Records a copy of one piece of an activation that every adapter has in full. */
export function recordPiece(
  recorder: Recorder,
  label: string,
  whole: Tensor,
  spread: Spread,
  adapter: number,
  dataType = whole.dataType,
): Tensor {
  const piece = pieceOf(spread, adapter);
  const part = recorder.tensor(label, piece.shape, { dataType });
  recordPerElement(recorder, {
    label,
    elements: part.elements,
    reads: { whole },
    writes: { part },
    body: `store_part(i, load_whole(${placeInWhole(piece, spread)}));`,
  });
  return part;
}

/** Records an activation of which every adapter has all, from the piece of one adapter and zeros. */
export function recordPadded(recorder: Recorder, label: string, part: Tensor, spread: Spread, self: number): Tensor {
  const { features, images } = pieceOf(spread, self);
  const whole = recorder.tensor(label, spread.shape, { dataType: part.dataType });
  const all = spread.shape[0]!;
  recordPerElement(recorder, {
    label,
    elements: whole.elements,
    reads: { part },
    writes: { whole },
    body: `let feature = i / ${all}u - ${features.first}u;
let image = i % ${all}u - ${images.first}u;
// Unsigned: what lies before the piece wraps to a huge number.
let inside = feature < ${features.count}u && image < ${images.count}u;
store_whole(i, select(0.0, load_part(select(0u, feature * ${images.count}u + image, inside)), inside));`,
  });
  return whole;
}

/**
 * Sends this adapter's piece of an activation to the other adapters, and receives theirs. Returns the whole, if wanted.
 *
 * @param use called for each piece when it is available, this adapter's first; what it records runs while the next is
 * in transit
 */
export function recordGather(
  recorder: Recorder,
  label: string,
  own: Tensor,
  spread: Spread,
  self: number,
  use?: (piece: Tensor, adapter: number) => void,
): Tensor {
  const sent = recordAs(recorder, `${label}/to others`, own, spread.sentAs ?? own.dataType);
  for (const peer of others(spread, self)) recorder.send({ label, peer, tensor: sent });
  const whole = recorder.tensor(label, spread.shape, { dataType: own.dataType });
  const take = (part: Tensor, adapter: number) => {
    use?.(part, adapter);
    recordPerElement(recorder, {
      label: `${label}/from ${adapter}`,
      elements: part.elements,
      reads: { part },
      writes: { whole },
      body: `store_whole(${placeInWhole(pieceOf(spread, adapter), spread)}, load_part(i));`,
    });
  };
  take(own, self);
  for (const peer of others(spread, self)) {
    const { shape } = pieceOf(spread, peer);
    const tensor = recorder.tensor(`${label}/from ${peer}`, shape, { dataType: sent.dataType });
    recorder.receive({ label, peer, tensor });
    take(tensor, peer);
  }
  return whole;
}

/**
 * Sends this adapter's contributions to the pieces of the other adapters. The returned function receives their
 * contributions to its own piece, and returns the sum, always added in the order of the adapters.
 */
export function recordScatter(
  recorder: Recorder,
  label: string,
  addends: Tensor,
  spread: Spread,
  self: number,
): () => Tensor {
  const { sentAs = addends.dataType } = spread;
  for (const peer of others(spread, self)) {
    const part = sentAs === addends.dataType ? placeInMemory(addends, spread, peer) : undefined;
    const tensor = part ? addends : recordPiece(recorder, `${label}/to ${peer}`, addends, spread, peer, sentAs);
    recorder.send({ label, peer, tensor, part });
  }
  return () => {
    const piece = pieceOf(spread, self);
    const received = others(spread, self).map((peer) => {
      const tensor = recorder.tensor(`${label}/from ${peer}`, piece.shape, { dataType: sentAs });
      recorder.receive({ label, peer, tensor });
      return { peer, tensor };
    });
    const sum = recorder.tensor(label, piece.shape, { dataType: addends.dataType });
    const terms = spread.ranges.map((_, adapter) =>
      adapter === self ? `load_own(${placeInWhole(piece, spread)})` : `load_from${adapter}(i)`,
    );
    recordPerElement(recorder, {
      label: `${label}/sum`,
      elements: sum.elements,
      reads: {
        own: addends,
        ...Object.fromEntries(received.map(({ peer, tensor }) => [`from${peer}`, tensor])),
      },
      writes: { sum },
      body: `store_sum(i, ${terms.join(' + ')});`,
    });
    return sum;
  };
}

/**
 * Sends a tensor of which every adapter has its own values to the others. The returned function receives theirs, and
 * returns the sum, with the same bits on all adapters.
 */
export function recordSum(
  recorder: Recorder,
  label: string,
  addends: Tensor,
  { index, count }: NetworkPart,
): () => Tensor {
  // Every piece is the whole.
  const images = Array.from({ length: count }, () => ({ first: 0, count: addends.shape[0]! }));
  return recordScatter(
    recorder,
    `${label}/sum`,
    addends,
    { shape: addends.shape, over: 'images', ranges: images },
    index,
  );
}

/**
 * The words of a piece that is contiguous in the memory of the whole and consists of whole words; undefined for others,
 * such as images of many maps.
 */
function placeInMemory({ dataType }: Tensor, spread: Spread, adapter: number): Transfer['part'] {
  const { features, images } = pieceOf(spread, adapter);
  const all = spread.shape[0]!;
  const part = { first: features.first * all, elements: features.count * all };
  const whole = Object.values(part).every((elements) => (elements * bytesPerElement(dataType)) % 4 === 0);
  return images.count === all && whole ? part : undefined;
}

/** The tensor itself, or a copy with another data type. */
function recordAs(recorder: Recorder, label: string, from: Tensor, dataType: DataType): Tensor {
  if (from.dataType === dataType) return from;
  const to = recorder.tensor(label, from.shape, { dataType });
  recordElementwise(recorder, {
    label,
    elements: from.elements,
    reads: { x: from },
    writes: { y: to },
    body: 'y = x;',
  });
  return to;
}

function others({ ranges }: Spread, self: number): number[] {
  return [...ranges.keys()].filter((adapter) => adapter !== self);
}
