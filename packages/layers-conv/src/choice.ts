import type { Recorder, Tensor } from '@alex/tensor';
import {
  isRiskyProduct,
  type ProductChoice,
  type ProductShape,
  productChoices,
  recordTunable,
  storageKey,
} from '@alex/tensor/kernels';
import type { Geometry } from './options.js';
import { productsOf, tilingOf, type WinogradTile } from './winograd/tiling.js';
import { winogradFits } from './winograd/winograd.js';

/** The algorithms for a convolution or one of its gradients: a matrix product, or Winograd's algorithm. */
type ConvolutionChoice =
  | { readonly algorithm: 'direct'; readonly product: ProductChoice }
  | { readonly algorithm: 'winograd'; readonly tile: WinogradTile };

type Direction = 'forward' | 'inputGradient' | 'weightGradient';

/** Records a convolution, or one of its gradients, with the fastest algorithm known for the adapter. */
export function recordConvolution(
  recorder: Recorder,
  geometry: Geometry,
  options: {
    readonly direction: Direction;
    /** The shape of the equivalent product. */
    readonly shape: ProductShape;
    readonly inputs: readonly Tensor[];
    readonly output: Tensor;
    /** Its other outputs. */
    readonly others?: readonly Tensor[];
    /** Everything else that the fastest choice depends on. */
    readonly details?: string;
    direct(recorder: Recorder, choice: ProductChoice): void;
    winograd(recorder: Recorder, tile: WinogradTile): void;
  },
): void {
  const { direction, shape, inputs, output, others = [], details = '', direct, winograd } = options;
  const { gpu } = recorder;
  const products = productChoices(gpu, shape);
  const asProduct = products.candidates.map((product): ConvolutionChoice => ({ algorithm: 'direct', product }));
  recordTunable(recorder, {
    kernel: `conv2d/${direction}`,
    version: 2,
    shape: `${keyOf(geometry)}${details} ${storageKey(gpu, [...inputs, output])}`,
    candidates: withWinograd(direction, geometry, asProduct),
    plain: { algorithm: 'direct', product: products.plain } as ConvolutionChoice,
    isRisky: (choice) => choice.algorithm === 'direct' && isRiskyProduct(choice.product),
    outputs: [output, ...others],
    work: shape.rows * shape.columns * shape.batches * shape.depth * (shape.reductions ?? 1),
    record(recorder, choice) {
      if (choice.algorithm === 'direct') direct(recorder, choice.product);
      else winograd(recorder, choice.tile);
    },
  });
}

/**
 * Tile sizes to choose from. Larger ones round more (`docs/winograd.md`): outputs must stay within 1e-5; gradients,
 * which are noisy by nature, may differ by 3e-5.
 */
const winogradTiles: Readonly<Record<Direction, readonly WinogradTile[]>> = {
  forward: [2, 4],
  inputGradient: [2, 4, 5],
  weightGradient: [2, 4, 5],
};

/**
 * Puts Winograd's algorithm first if it is faster (`docs/winograd.md`). Its transforms pay off if many maps use every
 * transformed value. The tile is the one that needs the fewest products; for images of 13 x 13, that is a tile of 5.
 */
function withWinograd(
  direction: Direction,
  geometry: Geometry,
  asProduct: readonly ConvolutionChoice[],
): ConvolutionChoice[] {
  const { groupChannels, groupFilters, outputHeight, outputWidth, batch } = geometry;
  if (!winogradFits(geometry) || Math.min(groupChannels, groupFilters) < 96) return [...asProduct];
  const products = (tile: WinogradTile) => productsOf(tilingOf(tile, outputHeight, outputWidth, batch));
  const tiles = [...winogradTiles[direction]].sort((a, b) => products(a) - products(b));
  const [best, ...other] = tiles.map((tile): ConvolutionChoice => ({ algorithm: 'winograd', tile }));
  const [usual, ...others] = asProduct;
  // Winograd's tiles are always f32, so matrix units are faster.
  const onMatrixUnits = usual!.algorithm === 'direct' && usual!.product.share === 'matrix';
  return onMatrixUnits ? [usual!, best!, ...other, ...others] : [best!, usual!, ...other, ...others];
}

function keyOf({ batch, channels, height, width, filters, kernel, stride, padding, groups }: Geometry): string {
  const { top, left, bottom, right } = padding;
  return (
    `${batch}x${channels}x${height}x${width} ${filters} of ${kernel.join('x')} stride ${stride.join('x')} ` +
    `padding ${top},${left},${bottom},${right} groups ${groups}`
  );
}
