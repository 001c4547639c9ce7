import { elementCount, elementsPerImage, type HostTensor, type Shape } from '../shape.js';

// Pieces of tensors in the public layout: images of a batch, channels of a column.

export function imagesOf({ shape, data }: HostTensor, first: number, count: number): HostTensor {
  const perImage = elementsPerImage(shape);
  return { shape: [count, ...shape.slice(1)], data: data.slice(first * perImage, (first + count) * perImage) };
}

export function ownShape([images, channels, ...rest]: Shape, columns: number): number[] {
  return [images!, channels! / columns, ...rest];
}

/** The channels (or features) of one column, of every image. */
export function channelsOf(tensor: HostTensor, index: number, count: number): HostTensor {
  return sliceTo(tensor, ownShape(tensor.shape, count), index);
}

/** The `index`-th of the pieces of this shape that a tensor is divided into, along the axis in which they differ. */
export function sliceTo({ shape, data }: HostTensor, piece: Shape, index: number): HostTensor {
  const axis = shape.findIndex((size, at) => size !== piece[at]);
  if (axis < 0) return { shape: [...shape], data };
  const inner = elementCount(shape.slice(axis + 1));
  const run = piece[axis]! * inner;
  const result = new Float32Array(elementCount(piece));
  for (let outer = 0; outer < result.length / run; outer++) {
    const from = outer * shape[axis]! * inner + index * run;
    result.set(data.subarray(from, from + run), outer * run);
  }
  return { shape: [...piece], data: result };
}

/** Adds a column's input gradient to its own channels, or to all. */
export function addChannels(
  sum: Float64Array,
  { data }: HostTensor,
  shape: Shape,
  index: number | undefined,
  count: number,
): void {
  const perImage = elementsPerImage(shape);
  const own = index === undefined ? perImage : perImage / count;
  for (const [i, value] of data.entries()) {
    const at = Math.floor(i / own) * perImage + (index ?? 0) * own + (i % own);
    sum[at]! += value;
  }
}
