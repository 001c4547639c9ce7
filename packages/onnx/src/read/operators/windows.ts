import { conv2d } from '@alex/layers-conv';
import { dense } from '@alex/layers-dense';
import { averagePool, maxPool } from '@alex/pool';
import type { HostTensor } from '@alex/tensor';
import { elementCount, type Padding } from '@alex/tensor/kernels';
import { type Chain, floatsOf, type Handler, unpadded } from '../chain.js';
import type { Node } from '../node.js';
import { localLayer } from './local.js';

type Pair = [height: number, width: number];
type Sizes = readonly number[];

export const conv: Handler = (chain, node) => {
  node.checkAttributes('kernel_shape', 'strides', 'pads', 'dilations', 'group', 'auto_pad');
  const constant = chain.constant(node, 1, 'weight');
  const weight: HostTensor = { shape: [...constant.shape], data: floatsOf(constant) };
  const [filters = 0, , ...kernel] = weight.shape;
  const bias = biasOf(chain, node, filters);
  const groups = node.int('group', 1);
  if (chain.own.length === 2 && elementCount(chain.shape) === elementCount(chain.own)) {
    if (elementCount(kernel) === 1 && groups === 1) return asDense(chain, node, weight, bias);
  }
  const [, height, width] = chain.maps(node);
  const windows = windowsOf(chain, node, kernel);
  if (localLayer(chain, node, { weight, ...windows, groups })) return;
  const { padding } = windows;
  const whole = kernel.join() === [height, width].join() && Object.values(padding).every((side) => side === 0);
  if (whole && groups === 1) return asDense(chain, node, weight, bias);
  chain.addLearned(node, 'conv', (name) => conv2d({ name, filters, ...windows, groups }), weight, bias);
};

/** A convolution whose filters are as large as the maps. */
function asDense(chain: Chain, node: Node, { shape, data }: HostTensor, bias: HostTensor): void {
  const units = shape[0]!;
  const weight = { shape: [units, data.length / units], data };
  chain.addLearned(node, 'fc', (name) => dense({ name, units }), weight, bias);
  chain.pass(node, [chain.shape[0]!, units, 1, 1]);
}

/** The biases that a node reads, or zeros. */
export function biasOf(chain: Chain, node: Node, units: number): HostTensor {
  const given = node.inputs[2] ? floatsOf(chain.constant(node, 2, 'bias')) : new Float32Array(1);
  if (given.length !== 1 && given.length !== units) {
    node.refuse(`its bias has ${given.length} values; it must have ${units}`);
  }
  return { shape: [units], data: given.length === units ? given : new Float32Array(units).fill(given[0]!) };
}

export const pooling =
  (kind: 'max' | 'average'): Handler =>
  (chain, node) => {
    node.checkAttributes(
      ...[
        'kernel_shape',
        'strides',
        'pads',
        'dilations',
        'auto_pad',
        'ceil_mode',
        'count_include_pad',
        'storage_order',
      ],
    );
    const size = node.ints('kernel_shape') ?? [];
    if (size.every((one) => one === 1) && (node.ints('strides') ?? [1]).every((one) => one === 1)) {
      return chain.pass(node);
    }
    chain.maps(node);
    const before = chain.padding;
    const { kernel, stride, padding } = windowsOf(chain, node, size);
    const isPadded = before !== unpadded;
    if (isPadded && kind === 'max' && !chain.isNotNegative) {
      node.refuse('zeros around the maps may be the maximum of a window; pad in the pooling itself, or after a ReLU');
    }
    const rounding = node.int('ceil_mode', 0) === 1 ? 'ceil' : 'floor';
    const options = { size: kernel, stride, padding, rounding } as const;
    const countPadding = node.int('count_include_pad', 0) === 1 || isPadded;
    if (
      isPadded &&
      node.int('count_include_pad', 0) === 0 &&
      Object.values(sidesOf(node, kernel)).some((side) => side > 0)
    ) {
      node.refuse('some of the zeros around the maps count and some do not; pad in one place');
    }
    chain.add(node, 'pool', (name) =>
      kind === 'max' ? maxPool({ name, ...options }) : averagePool({ name, ...options, countPadding }),
    );
  };

/** `GlobalAveragePool`, or `ReduceMean` over height and width. */
export const globalAverage: Handler = (chain, node) => {
  const [, height, width] = chain.maps(node);
  if (node.operator === 'ReduceMean') {
    node.checkAttributes('axes', 'keepdims', 'noop_with_empty_axes');
    const axes = node.ints('axes') ?? Array.from(chain.constant(node, 1, 'axes').data);
    const places = axes.map((axis) => (axis + 4) % 4).sort();
    if (places.join() !== '2,3')
      node.refuse(`takes the mean over the axes ${axes.join(', ')}; only 2, 3 is understood`);
  }
  const [images = 1, channels = 0] = chain.shape;
  const keeps = node.operator === 'GlobalAveragePool' || node.int('keepdims', 1) === 1;
  if (height * width > 1) chain.add(node, 'pool', (name) => averagePool({ name, size: [height, width] }));
  chain.pass(node, keeps ? [images, channels, 1, 1] : [images, channels]);
};

/** `Pad`, whose zeros the next layer takes. */
export const pad: Handler = (chain, node) => {
  node.checkAttributes('mode', 'pads', 'value');
  chain.maps(node);
  const pads = node.ints('pads') ?? Array.from(chain.constant(node, 1, 'pads').data);
  const constant = chain.graph.constant(node.inputs[2]);
  const value = constant ? constant.data[0]! : node.float('value', 0);
  const mode = node.string('mode', 'constant');
  if (mode !== 'constant' || value !== 0) {
    node.refuse(`pads with ${mode === 'constant' ? value : `the mode ${mode}`}; only zeros are understood`);
  }
  if (node.inputs[3]) node.refuse('pads axes by their number; give the padding of all four axes');
  const [n, c, top, left, n2, c2, bottom, right] = pads as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  if (pads.length !== 8 || [n, c, n2, c2].some((side) => side !== 0) || Math.min(top, left, bottom, right) < 0) {
    node.refuse(`pads by ${pads.join(', ')}; only zeros around the maps are understood`);
  }
  chain.padding = sum(chain.padding, { top, left, bottom, right });
  const [images = 1, channels = 0, height = 0, width = 0] = chain.shape;
  chain.pass(node, [images, channels, height + top + bottom, width + left + right]);
};

/** The windows of a node, with the padding that was found before it. */
function windowsOf(chain: Chain, node: Node, size: Sizes): { kernel: Pair; stride: Pair; padding: Padding } {
  if (size.length !== 2 || (node.ints('kernel_shape') ?? size).join() !== size.join()) {
    node.refuse(`its windows have the shape [${size.join(', ')}]; they must have a height and a width`);
  }
  for (const dilation of node.ints('dilations') ?? []) {
    if (dilation !== 1)
      node.refuse(`the attribute dilations is ${node.ints('dilations')!.join(', ')}; only 1 is understood`);
  }
  const stride = node.ints('strides') ?? [1, 1];
  const padding = sum(chain.takePadding(), sidesOf(node, size, chain.shape, stride));
  return { kernel: [...size] as Pair, stride: [...stride] as Pair, padding };
}

/** A node's own padding. */
function sidesOf(node: Node, size: Sizes, shape: Sizes = [], stride: Sizes = [1, 1]): Padding {
  const auto = node.string('auto_pad', 'NOTSET');
  if (auto === 'VALID') return unpadded;
  if (auto === 'NOTSET' || auto === '') {
    const [top = 0, left = 0, bottom = 0, right = 0] = node.ints('pads') ?? [];
    return { top, left, bottom, right };
  }
  const [before, after] = { SAME_UPPER: [Math.floor, Math.ceil], SAME_LOWER: [Math.ceil, Math.floor] }[auto] ?? [];
  if (!before || !after) return node.refuse(`the attribute auto_pad is ${auto}; give pads`);
  const [height, width] = [0, 1].map((axis) => {
    const input = shape[axis + 2]!;
    return Math.max(0, (Math.ceil(input / stride[axis]!) - 1) * stride[axis]! + size[axis]! - input) / 2;
  }) as Pair;
  return { top: before(height), left: before(width), bottom: after(height), right: after(width) };
}

function sum(one: Padding, other: Padding): Padding {
  if (one === unpadded) return other;
  return {
    top: one.top + other.top,
    left: one.left + other.left,
    bottom: one.bottom + other.bottom,
    right: one.right + other.right,
  };
}
