/** The passes of a layer with products: each has as many multiply-adds as its forward pass. */
export type Direction = 'forward' | 'inputGradient' | 'weightGradient';

export const directions: readonly Direction[] = ['forward', 'inputGradient', 'weightGradient'];

/** The direction of kernels other than products, by the labels of their dispatches: `conv2/packWeights/filters`. */
const preparations: Readonly<Record<string, Direction>> = {
  'packWeights/filters': 'forward',
  'packWeights/channels': 'inputGradient',
};

/** The direction that a dispatch belongs to: `conv2/weightGradient/sum` is part of the weight gradient. */
export function directionOf(label: string, layer: string): Direction | undefined {
  if (!label.startsWith(`${layer}/`)) return undefined;
  const rest = label.slice(layer.length + 1);
  return preparations[rest] ?? directions.find((direction) => rest === direction || rest.startsWith(`${direction}/`));
}
