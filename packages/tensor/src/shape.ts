import { ShapeError } from './errors.js';

/** Sizes from the slowest to the fastest index, in the public layout: `[N, C, H, W]` or `[N, F]`. */
export type Shape = readonly number[];

/** A tensor in host memory, row-major in its shape: the format of all public inputs and outputs. */
export interface HostTensor {
  shape: number[];
  data: Float32Array;
}

/** The number of elements of a shape. */
export function elementCount(shape: Shape): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Elements per image of a shape whose first index is the image: `C * H * W` for `[N, C, H, W]`. */
export function elementsPerImage(shape: Shape): number {
  return elementCount(shape.slice(1));
}

export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** Reads `[N, C, H, W]`, or throws a `ShapeError` that names the layer. */
export function imageShape(layer: string, shape: Shape): [number, number, number, number] {
  const [n, c, h, w] = shape;
  if (shape.length !== 4 || n === undefined || c === undefined || h === undefined || w === undefined) {
    throw new ShapeError(`${layer}: expects images [N, C, H, W], got ${formatShape(shape)}`);
  }
  return [n, c, h, w];
}

/** Throws a `ShapeError` if it is no tensor, data is not a `Float32Array`, or does not have as many values as the shape. */
export function checkHostTensor(what: string, tensor: HostTensor): void {
  const shape: unknown = tensor?.shape;
  if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw new ShapeError(
      `${what}: must be a tensor { shape, data }, whose shape is an array of whole numbers; got ${shape === undefined ? kindOfArray(tensor) : `the shape ${String(shape)}`}`,
    );
  }
  if (kindOfArray(tensor.data) !== 'Float32Array') {
    throw new ShapeError(
      `${what}: data must be a Float32Array, got ${kindOfArray(tensor.data)}; use Float32Array.from(data)`,
    );
  }
  const expected = elementCount(tensor.shape);
  if (tensor.data.length !== expected) {
    throw new ShapeError(
      `${what}: shape ${formatShape(tensor.shape)} needs ${expected} values, got ${tensor.data.length}`,
    );
  }
}

/**
 * The type of an array: `Float32Array`, `Array` and so on. Also works for values from another realm, such as a test
 * runner's.
 */
export function kindOfArray(values: unknown): string {
  return Object.prototype.toString.call(values).slice('[object '.length, -1);
}
