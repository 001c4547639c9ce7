import type { DescribedLayer, LayerWindow, NetworkDescription, Shape } from '@alex/tensor';

/**
 * The content of a drawing of a network: the image, then one stage for each layer with multiply-adds, with the
 * following operations (activation, normalization, pooling) in words. Plain data, in the order from the image upwards.
 */
export interface Stage {
  readonly name: string;
  /** What computes it: `image`, `convolution`, `dense` ... */
  readonly kind: string;
  /** One image's values: `[C, H, W]` or `[F]`. */
  readonly shape: Shape;
  /** The number of equal parts, one per column, or 1 if it is not divided. */
  readonly parts: number;
  /** Whether each part reads all of several parts of the stage below. */
  readonly exchanges: boolean;
  /** What a position sees of each map of the stage below. */
  readonly window?: LayerWindow;
  /** Properties of the layer besides its columns: `2 groups`, `stride 4`. */
  readonly details: readonly string[];
  /** The following operations, in their order. */
  readonly following: readonly string[];
  /** The input of the next stage: smaller if it was pooled. */
  readonly output: Shape;
}

/** Readable names of layers; others are named by their kinds. */
const kindNames: Readonly<Record<string, string>> = {
  conv2d: 'convolution',
  local2d: 'locally connected',
  dense: 'dense',
  relu: 'ReLU',
  tanh: 'tanh',
  logistic: 'logistic',
  absTanh: '|tanh|',
  identity: 'identity',
  localResponseNorm: 'normalization',
  maxPool: 'max pooling',
  averagePool: 'average pooling',
  dropout: 'dropout',
};

export const kindName = (kind: string): string => kindNames[kind] ?? kind;

/** Divides a network into the stages of a drawing. */
export function stagesOf({ input, columns, layers }: NetworkDescription): Stage[] {
  const stages: Stage[] = [
    {
      name: 'image',
      kind: 'image',
      shape: input,
      parts: 1,
      exchanges: false,
      details: [],
      following: [],
      output: input,
    },
  ];
  for (const [index, described] of layers.entries()) {
    const output = described.outputShape.slice(1);
    if (!isStage(described)) {
      const { following, ...last } = stages.pop()!;
      stages.push({ ...last, following: [...following, followingInWords(described)], output });
      continue;
    }
    const { layer, from } = described;
    const isLast = !layers.slice(index + 1).some(isStage);
    const below = stages.at(-1)!;
    // The scores are drawn as a single part, as in the paper.
    const parts = isLast && (from === 'all' || below.parts === 1) ? 1 : partsOf(output, columns);
    stages.push({
      name: layer.name,
      kind: kindOf(described),
      shape: output,
      parts,
      exchanges: below.parts > 1 && (from === 'all' || parts !== below.parts),
      ...(layer.window && { window: layer.window }),
      details: detailsOf(described, columns),
      following: [],
      output,
    });
  }
  return stages;
}

function isStage({ layer, inputShape }: DescribedLayer): boolean {
  return layer.multiplyAdds(inputShape) > 0;
}

function partsOf([maps = 1]: Shape, columns: number): number {
  return maps % columns === 0 ? columns : 1;
}

/** A convolution with filters as large as the maps is in effect a dense layer. */
function kindOf({ layer, outputShape }: DescribedLayer): string {
  const [, , height = 1, width = 1] = outputShape;
  return layer.kind === 'conv2d' && height * width === 1 ? 'dense' : kindName(layer.kind);
}

function detailsOf(described: DescribedLayer, columns: number): string[] {
  const { layer, from, inputShape, parameters } = described;
  const window = kindOf(described) === 'dense' ? undefined : layer.window;
  const details: string[] = [];
  if (window) details.push(sizeInWords(window.size));
  if (window && (window.stride[0] !== 1 || window.stride[1] !== 1)) details.push(`stride ${strideInWords(window)}`);
  const weight = parameters.find(({ name, shape }) => name === 'weight' && shape.length === 4);
  const groups = layer.kind === 'conv2d' && weight ? inputShape[1]! / weight.shape[1]! : 1;
  // Columns that read only their own maps are groups, too, but the drawing already shows those.
  if (groups !== 1 && groups !== (from === 'own' ? columns : 1)) details.push(`${groups} groups`);
  return details;
}

function followingInWords({ layer, inputShape, outputShape }: DescribedLayer): string {
  const name = kindName(layer.kind);
  const { window } = layer;
  if (window) return `${name} ${sizeInWords(window.size)}, stride ${strideInWords(window)}`;
  const [before, after] = [inputShape, outputShape].map((shape) => shape.slice(1).join(' × '));
  return before === after ? name : `${name} to ${after}`;
}

function sizeInWords([height, width]: LayerWindow['size']): string {
  return `${height} × ${width}`;
}

function strideInWords({ stride: [down, across] }: LayerWindow): string {
  return down === across ? String(down) : `${down} × ${across}`;
}

/** A network in sentences, for readers who cannot see its drawing. */
export function inWords(stages: readonly Stage[], columns: number): string {
  const [image, ...rest] = stages as [Stage, ...Stage[]];
  const sentences = rest.map(({ name, kind, shape, parts, exchanges, details, following }, index) => {
    const from = stages[index]!;
    const reads =
      from.parts === 1 ? '' : exchanges ? `, reads all ${from.parts} columns` : ', each column reads its own';
    const details_ = details.length > 0 ? ` (${details.join(', ')})` : '';
    const then = following.length > 0 ? `, then ${following.join(', ')}` : '';
    const size = parts === 1 ? shape.join(' × ') : `${parts} columns of ${partShape(shape, parts).join(' × ')}`;
    return `${name}: ${kind}${details_}${reads}, gives ${size}${then}.`;
  });
  const first = image.following.length > 0 ? `, then ${image.following.join(', ')}` : '';
  const head = columns === 1 ? '' : ` in ${columns} columns`;
  return [`Network${head}. Image: ${image.shape.join(' × ')}${first}.`, ...sentences].join(' ');
}

/** The shape of one of equal parts of the maps or units. */
export function partShape([maps = 1, ...rest]: Shape, parts: number): Shape {
  return [maps / parts, ...rest];
}

/** The text of a caption below a stage's name, in lines that fit. */
export function captionLines({ kind, details, following, exchanges }: Stage): string[] {
  const own = kind === 'image' ? [] : [kind, ...(details.length > 0 ? [details.join(', ')] : [])];
  return [...own, ...(exchanges ? [readsAllColumns] : []), ...following.flatMap(splitAtSize)];
}

export const readsAllColumns = '⇄ all columns';

/** `max pooling 3 × 3, stride 2` on two lines. */
function splitAtSize(step: string): string[] {
  const [, name, size] = /^(.*) (\d+ × \d+, .*)$/.exec(step) ?? [];
  return name === undefined || size === undefined ? [step] : [name, size];
}
