import type { HostTensor, NetworkDescription } from '@alex/tensor';
import { elementsPerImage } from '@alex/tensor/kernels';

/** Numbers between -1 and 1 that depend on the name only. */
export function made(name: string, shape: readonly number[], size = 1): HostTensor {
  let state = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) state = Math.imul(state ^ byte, 0x01000193) >>> 0;
  const data = new Float32Array(shape.reduce((product, one) => product * one, 1));
  for (let i = 0; i < data.length; i++) {
    // Marsaglia's xorshift32.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    data[i] = size * ((state >>> 0) / 2 ** 31 - 1);
  }
  return { shape: [...shape], data };
}

/** Parameters with which activations stay about as large from layer to layer. */
export function madeParameters({ layers }: NetworkDescription): Record<string, HostTensor> {
  return Object.fromEntries(
    layers.flatMap(({ parameters, layer }) =>
      parameters.map(({ name, path, shape }) => {
        const inputs = layer.kind === 'local2d' ? elementsPerImage(shape.slice(1)) : elementsPerImage(shape);
        return [path, made(path, shape, name === 'weight' ? Math.sqrt(6 / inputs) : 0.1)];
      }),
    ),
  );
}
