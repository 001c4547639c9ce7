/** The images of a part of a training run; the others are for validation. */
export type Images =
  /** The first four fifths; the last fifth is held out. */
  | 'four-fifths'
  /** All training images; validated on the test images. */
  | 'all';

/** A part of a training run without changes by hand. */
export interface Stage {
  readonly images: Images;
  readonly epochs: number;
  /** Constant. Default: the previous rate; if no stage has one, the recipe's schedule applies. */
  readonly learningRate?: number;
}

/** A network of cuda-convnet, how it was trained there, and its published error. */
export interface Net {
  /** Name of network and recipe: `alexnet train --recipe NAME`. */
  readonly name: string;
  readonly published: {
    /** Fraction of the test images. */
    readonly error: number;
    /** As published. */
    readonly text: string;
    readonly source: string;
  };
  /** Views of each test image. */
  readonly views: 1 | 10;
  readonly stages: readonly Stage[];
  /** Steps between evaluations: whole epochs for both numbers of images. */
  readonly evaluateEvery: number;
}

/** The last stages of both networks: at a tenth of the learning rate, and a hundredth. */
const ending = [
  { images: 'all', epochs: 10, learningRate: 1e-4 },
  { images: 'all', epochs: 10, learningRate: 1e-5 },
] as const satisfies readonly Stage[];

export const nets: readonly Net[] = [
  {
    name: 'cifar-80sec',
    published: { error: 0.26, text: '26%', source: 'cuda-convnet, example-layers/layers-80sec.cfg' },
    views: 1,
    stages: [{ images: 'all', epochs: 10 }],
    evaluateEvery: 390,
  },
  {
    name: 'cifar-18pct',
    published: { error: 0.18, text: '18%', source: 'cuda-convnet, example-layers/layers-18pct.cfg' },
    views: 1,
    stages: [{ images: 'all', epochs: 140 }],
    evaluateEvery: 1950,
  },
  {
    name: 'cifar-13pct',
    published: { error: 0.126, text: '12.6%', source: 'cuda-convnet, Methodology' },
    views: 10,
    stages: [{ images: 'four-fifths', epochs: 100, learningRate: 1e-3 }, { images: 'all', epochs: 40 }, ...ending],
    evaluateEvery: 1560,
  },
  {
    name: 'cifar-11pct',
    published: { error: 0.11, text: '11%', source: 'cuda-convnet, example-layers/layer-params-conv-local-11pct.cfg' },
    views: 10,
    stages: [{ images: 'four-fifths', epochs: 350, learningRate: 1e-3 }, { images: 'all', epochs: 150 }, ...ending],
    evaluateEvery: 1560,
  },
];

/** A training run, and how far to train it. */
export interface Task {
  readonly net: Net;
  readonly seed: number;
  /** Default: to the end. */
  readonly epochs?: number;
}

/**
 * The training runs, the most valuable first. The two networks whose difference the paper attributes to normalization (section
 * 3.3) are compared at equal epochs before either of them is finished.
 */
export const tasks: readonly Task[] = [
  { net: netNamed('cifar-80sec'), seed: 1 },
  { net: netNamed('cifar-13pct'), seed: 1, epochs: 20 },
  { net: netNamed('cifar-11pct'), seed: 1, epochs: 20 },
  { net: netNamed('cifar-18pct'), seed: 1 },
  { net: netNamed('cifar-80sec'), seed: 2 },
  { net: netNamed('cifar-80sec'), seed: 3 },
  { net: netNamed('cifar-13pct'), seed: 1 },
  { net: netNamed('cifar-11pct'), seed: 1 },
];

export function netNamed(name: string): Net {
  const net = nets.find((one) => one.name === name);
  if (!net)
    throw new Error(`${name}: there is no such network; choose one of ${nets.map((one) => one.name).join(', ')}`);
  return net;
}
