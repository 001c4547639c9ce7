import { CheckpointError, type HostTensor } from '@alex/tensor';
import { formatShape } from '@alex/tensor/kernels';
import { checkForm, checkTensors, type PublishedForm } from './published.js';

/** Prefixes that libraries add to a network's names: DataParallel, torch.compile, Lightning and others. */
const wrappers = ['model', 'net', 'network', 'backbone', 'alexnet', 'state_dict', 'student', 'base_model'];
const anywhere = ['module', '_orig_mod'];

/** Entries of checkpoints that are not weights. */
const noWeights = [
  /(^|\.)(num_batches_tracked|epoch|global_step|step|iteration|lr|learning_rate|best_acc\d?|best_prec\d?)$/,
  /^(optimizer|lr_scheduler|scheduler|scaler|ema|optim)\b/,
  /\.(velocity|momentum_buffer|exp_avg|exp_avg_sq)$/,
];
/** Constants that a network subtracts and divides by, one per channel. */
const normalization = /(^|\.)(mean|std|pixel_mean|pixel_std)$/;

/** A checkpoint's tensors under the names of the published network. */
export interface PublishedNames {
  readonly tensors: Record<string, HostTensor>;
  /** What was changed or skipped: one sentence each. */
  readonly remarks: readonly string[];
}

/**
 * Finds a published network's tensors in a checkpoint: names may have prefixes (`module.`, `features.module.0.weight`,
 * `model.`, `_orig_mod.`), the last layer may have been replaced and renamed, and other entries are ignored.
 *
 * @param file named in errors
 * @throws CheckpointError if two tensors have the same name, or the last layer cannot be identified; ConfigError for what is no form
 */
export function publishedNames(
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  form: PublishedForm,
): PublishedNames {
  checkTensors(file, tensors);
  checkForm(file, form);
  const known = new Set(Object.values(form.layers).flatMap((layer) => [`${layer}.weight`, `${layer}.bias`]));
  const found: Record<string, HostTensor> = {};
  const renamed: string[] = [];
  const left: string[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const bare = bareName(name, known);
    if (isNoWeight(bare, tensor)) left.push(name);
    else if (Object.hasOwn(found, bare)) {
      throw new CheckpointError(`${file}: contains ${bare} twice, with different prefixes; keep one`);
    } else {
      found[bare] = tensor;
      if (bare !== name) renamed.push(name);
    }
  }
  const remarks = [
    ...(renamed.length > 0
      ? [`${renamed[0]} is read as ${bareName(renamed[0]!, known)}, and others in the same way.`]
      : []),
    ...(left.length > 0
      ? [`${listed(left)} ${left.length === 1 ? 'is' : 'are'} skipped: not weights of the network.`]
      : []),
  ];
  const last = form.layers['fc8']!;
  if (found[`${last}.weight`]) return { tensors: found, remarks };
  const other = lastLayer(file, found, known, form);
  for (const part of ['weight', 'bias']) {
    found[`${last}.${part}`] = found[`${other}.${part}`]!;
    delete found[`${other}.${part}`];
  }
  return { tensors: found, remarks: [...remarks, `${other} is used as the last layer, ${last}.`] };
}

function bareName(name: string, known: ReadonlySet<string>): string {
  const segments = name.split('.').filter((segment) => !anywhere.includes(segment));
  while (!known.has(segments.join('.')) && segments.length > 2 && wrappers.includes(segments[0]!)) segments.shift();
  return segments.join('.');
}

function isNoWeight(name: string, { data }: HostTensor): boolean {
  return noWeights.some((pattern) => pattern.test(name)) || (normalization.test(name) && data.length <= 4);
}

/** The only unassigned layer that fits the output of the last hidden layer. */
function lastLayer(
  file: string,
  tensors: Readonly<Record<string, HostTensor>>,
  known: ReadonlySet<string>,
  { layers, variant }: PublishedForm,
): string {
  const width = tensors[`${layers['fc7']}.bias`]?.data.length;
  const others = Object.keys(tensors).filter((name) => !known.has(name));
  const candidates = others.flatMap((name) => {
    const layer = /^(.+)\.weight$/.exec(name)?.[1];
    const shape = tensors[name]!.shape.filter((size, axis) => size !== 1 || axis >= tensors[name]!.shape.length - 2);
    const [classes, inputs] = shape;
    const bias = layer === undefined ? undefined : tensors[`${layer}.bias`];
    return layer !== undefined && shape.length === 2 && inputs === width && bias?.data.length === classes
      ? [layer]
      : [];
  });
  if (candidates.length === 1) return candidates[0]!;
  const there = others.map((name) => `${name} ${formatShape(tensors[name]!.shape)}`);
  throw new CheckpointError(
    `${file}: ${layers['fc8']}.weight, the last layer of ${variant}, is missing` +
      (candidates.length > 1 ? `; it may be ${candidates.join(' or ')}: keep one` : '') +
      (candidates.length === 0 && there.length > 0 ? `; none of its other tensors fits: ${listed(there)}` : '') +
      `. Safetensors files must have torchvision's tensor names (features.0.weight), caffemodels those of bvlc_alexnet (conv1)`,
  );
}

function listed(names: readonly string[]): string {
  const [shown, more] = [names.slice(0, 4), names.length - 4];
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
