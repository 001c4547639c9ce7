import { local2d } from '@alex/layers-conv';
import type { HostTensor } from '@alex/tensor';
import type { Padding } from '@alex/tensor/kernels';
import { type Chain, floatsOf } from '../chain.js';
import type { Node } from '../node.js';

interface Windows {
  readonly weight: HostTensor;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: Padding;
  readonly groups: number;
}

/**
 * Recognizes a locally connected layer as `writeOnnx` writes it: a convolution that copies windows, and a product of matrices for each
 * position.
 *
 * @returns whether it is one; the chain then has its layer
 */
export function localLayer(chain: Chain, conv: Node, windows: Windows): boolean {
  const { weight, kernel, stride, padding, groups } = windows;
  const channels = chain.own[1]!;
  if (groups !== channels || !copiesWindows(weight, channels)) return false;
  const nodes = followedBy(chain, conv, ['Reshape', 'Transpose', 'MatMul', 'Transpose', 'Reshape']);
  if (!nodes) return false;
  const [, turned, product, back, maps] = nodes as [Node, Node, Node, Node, Node];
  const factors = chain.graph.constant(product.inputs[1]);
  if (turned.ints('perm')?.join() !== '2,0,1' || back.ints('perm')?.join() !== '1,2,0' || !factors) return false;
  const [positions = 0, window = 0, filters = 0] = factors.shape;
  const own = {
    shape: [positions, filters, channels, ...kernel],
    data: rowsOf(floatsOf(factors), positions, window, filters),
  };
  const [sum] = followedBy(chain, maps, ['Add']) ?? [];
  const biases = sum && chain.graph.constant(sum.inputs[1]);
  const bias = biases ? floatsOf(biases) : new Float32Array(positions * filters);
  const [, height, width] = local2d({ filters, kernel, stride, padding }).outputShape(chain.own).slice(1);
  chain.addLearned(
    (biases && sum) || maps,
    'local',
    (name) => local2d({ name, filters, kernel, stride, padding }),
    own,
    { shape: [filters, height!, width!], data: bias },
  );
  return true;
}

function copiesWindows({ shape, data }: HostTensor, channels: number): boolean {
  const area = shape[2]! * shape[3]!;
  return (
    shape[0] === channels * area &&
    shape[1] === 1 &&
    data.every((value, i) => value === (Math.floor(i / area) % area === i % area ? 1 : 0))
  );
}

/** The nodes after a node, if they are of these kinds and nothing else reads what is between them. */
function followedBy({ graph }: Chain, node: Node, operators: readonly string[]): Node[] | undefined {
  const found: Node[] = [];
  for (const operator of operators) {
    const readers = graph.readersOf((found.at(-1) ?? node).output);
    if (readers.length !== 1 || readers[0]!.operator !== operator) return undefined;
    found.push(readers[0]!);
  }
  return found;
}

/** `[positions, window, filters]` as `[positions, filters, window]`. */
function rowsOf(columns: Float32Array, positions: number, window: number, filters: number): Float32Array {
  const rows = new Float32Array(columns.length);
  for (let position = 0; position < positions; position++) {
    for (let filter = 0; filter < filters; filter++) {
      for (let place = 0; place < window; place++) {
        rows[(position * filters + filter) * window + place] = columns[(position * window + place) * filters + filter]!;
      }
    }
  }
  return rows;
}
