import type { Gpu } from '../../adapter/gpu.js';
import type { ElementRange } from '../../kernel/recorder.js';
import { bytesOf, bytesPerBinding, bytesPerElement, type Tensor } from '../../kernel/tensor.js';

/** A product of a row-major `a`, `[m][k]` or transposed, and `b`. */
interface SlicedProduct {
  readonly a: Tensor;
  readonly b: Tensor;
  readonly output: Tensor;
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transposeA?: boolean;
  readonly batches?: number;
}

/** Some rows of a product, or some steps of its reduction. */
export interface Slice {
  readonly m: Range;
  readonly k: Range;
  /** Its elements of the tensor that is too large to be bound at once. */
  readonly range?: ElementRange;
}

interface Range {
  readonly first: number;
  readonly count: number;
}

/**
 * Cuts a product into slices, each of which can bind its part of `a` and of `output` at once, if cutting along the
 * slowest index of the tensor that is too large is enough. Kernels that bind a tensor in parts must check at every
 * access which part it is in.
 */
export function slicesOf(gpu: Gpu, { a, b, output, m, n, k, transposeA = false, batches = 1 }: SlicedProduct): Slice[] {
  const whole = { m: { first: 0, count: m }, k: { first: 0, count: k } };
  const most = bytesPerBinding(gpu);
  const large = [a, output].filter((tensor) => bytesOf(tensor) > most);
  const [tensor] = large;
  const alike = [a, b, output].filter(({ elements }) => elements === tensor?.elements);
  if (large.length !== 1 || tensor === undefined || alike.length !== 1 || batches > 1) return [whole];
  const axis = tensor === a && transposeA ? 'k' : 'm';
  const length = axis === 'k' ? k : m;
  const elementsOfRow = tensor === output ? n : transposeA ? m : k;
  const bytesOfRow = elementsOfRow * bytesPerElement(tensor.dataType);
  // Slices start where a binding may start, and where a tile of rows starts.
  const unit = 64;
  const atOnce = Math.floor(most / bytesOfRow / unit) * unit;
  if (atOnce === 0 || (unit * bytesOfRow) % gpu.limits.minStorageBufferOffsetAlignment !== 0) return [whole];
  const step = Math.ceil(length / Math.ceil(length / atOnce) / unit) * unit;
  return Array.from({ length: Math.ceil(length / step) }, (_, index) => {
    const first = index * step;
    const count = Math.min(step, length - first);
    const range = { of: tensor.elements, first: first * elementsOfRow, elements: count * elementsOfRow };
    return { ...whole, [axis]: { first, count }, range };
  });
}
