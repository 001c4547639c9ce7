import { elementsPerImage, type HostTensor, type Shape } from '../shape.js';

/**
 * Converts the public layout (`[N, ...]`, image slowest) to the memory layout (`[..., N]`, image fastest), with room
 * for `batch` images; writes to `result`, if given.
 */
export function toMemoryLayout(
  tensor: HostTensor,
  batch: number,
  result = new Float32Array(elementsPerImage(tensor.shape) * batch),
): Float32Array {
  const images = tensor.shape[0]!;
  const features = elementsPerImage(tensor.shape);
  if (images < batch) result.fill(0);
  for (let image = 0; image < images; image++) {
    const start = image * features;
    for (let feature = 0; feature < features; feature++) {
      result[feature * batch + image] = tensor.data[start + feature]!;
    }
  }
  return result;
}

/**
 * Converts the memory layout with room for `batch` images to the public layout: the first images, as many as `shape`
 * says.
 */
export function fromMemoryLayout(values: ArrayLike<number>, shape: Shape, batch: number): HostTensor {
  const images = shape[0]!;
  const features = elementsPerImage(shape);
  const data = new Float32Array(images * features);
  for (let image = 0; image < images; image++) {
    const start = image * features;
    for (let feature = 0; feature < features; feature++) {
      data[start + feature] = values[feature * batch + image]!;
    }
  }
  return { shape: [...shape], data };
}
