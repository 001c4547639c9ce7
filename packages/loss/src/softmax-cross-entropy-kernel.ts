import { isFiniteWgsl, isNanWgsl } from '@alex/tensor/kernels';

/**
 * The most invocations of a workgroup, and its number of consecutive images; the other invocations share the classes. A
 * GPU waits for memory in every iteration over classes, so there should be few iterations. Software drivers take longer
 * to compile a kernel with barriers the more invocations it has (SwiftShader: 0.2 s for 32, 1.4 s for 256).
 */
const workgroups = { hardware: { most: 256, lanes: 2 }, software: { most: 32, lanes: 8 } } as const;

interface KernelOptions {
  /** What kind of adapter the kernel is for. */
  readonly kind: keyof typeof workgroups;
  readonly images: number;
  readonly classes: number;
  readonly guesses: number;
  /** Whether the kernel also writes `outputGradient`. */
  readonly gradient: boolean;
}

const powerOfTwoFrom = (least: number) => 2 ** Math.ceil(Math.log2(least));

/** The whole loss as one kernel. Every workgroup computes some images with all their classes. */
export function softmaxCrossEntropyKernel({ kind, images, classes, guesses, gradient }: KernelOptions): {
  wgsl: string;
  workgroups: number;
} {
  // Many images fill the lanes; if there are few, the remaining invocations share the classes.
  const { most, lanes: mostLanes } = workgroups[kind];
  const lanes = Math.min(mostLanes, powerOfTwoFrom(images));
  const slices = Math.min(most / lanes, powerOfTwoFrom(classes));
  const wgsl = /* wgsl */ `
// Softmax, multinomial logistic loss, errors and gradient of ${lanes} images.
// One invocation: one image and every ${slices}th class of it. Lanes run over the images, so they read and write
// consecutive memory (class * N + image). Uniform: the class loops and every reduction. The outputs are read three
// times (maximum; sum and rank; results) instead of being kept: a workgroup's memory would not hold 1000 classes.
const IMAGES = ${images}u;
const CLASSES = ${classes}u;
const GUESSES = ${guesses}.0;
const LANES = ${lanes}u;
const SLICES = ${slices}u;

struct Sums {
  /** Of exp(output - maximum) over the classes that are not the label. */
  others: f32,
  /** How many outputs are above the label's, and how many are the same as it. */
  greater: f32,
  equal: f32,
}

var<workgroup> maxima: array<f32, ${lanes * slices}>;
var<workgroup> sums: array<Sums, ${lanes * slices}>;

// By its bits, because drivers may assume that no value is a NaN and fold x != x to false.
${isNanWgsl}
${isFiniteWgsl}

// The larger one, or the NaN if there is one.
fn larger(a: f32, b: f32) -> f32 {
  if (isNan(a)) { return a; }
  if (isNan(b)) { return b; }
  return max(a, b);
}

// log(1 + x) for x >= 0, also where 1 + x would round x away: 2 atanh(x / (2 + x)).
fn logOnePlus(x: f32) -> f32 {
  if (x > 1.0) { return log(1.0 + x); }
  let s = x / (2.0 + x);
  let q = s * s;
  return 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q * (1.0 / 9.0 + q / 11.0)))));
}

// 1 - the chance that the label is among the first \`guesses\` where ties are broken at random.
fn topError(guesses: f32, greater: f32, equal: f32) -> f32 {
  return 1.0 - min(1.0, max(0.0, guesses - greater) / equal);
}

@compute @workgroup_size(${lanes}, ${slices})
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_id) local: vec3u) {
  let lane = local.x;
  let slice = local.y;
  let image = group.x * LANES + lane;
  // Invocations beyond the last image redo the last one and write nothing: barriers need all of them.
  let n = min(image, IMAGES - 1u);
  let mine = slice * LANES + lane;

  var maximum = load_output(min(slice, CLASSES - 1u) * IMAGES + n);
  for (var k = slice + SLICES; k < CLASSES; k += SLICES) {
    maximum = larger(maximum, load_output(k * IMAGES + n));
  }
  maxima[mine] = maximum;
  workgroupBarrier();
  for (var half = SLICES / 2u; half > 0u; half /= 2u) {
    if (slice < half) {
      maxima[mine] = larger(maxima[mine], maxima[mine + half * LANES]);
    }
    workgroupBarrier();
  }
  maximum = maxima[lane];

  let label = min(load_labels(n), CLASSES - 1u);
  let labelOutput = load_output(label * IMAGES + n);
  var sum = Sums(0.0, 0.0, 0.0);
  for (var k = slice; k < CLASSES; k += SLICES) {
    let x = load_output(k * IMAGES + n);
    if (k != label) { sum.others += exp(x - maximum); }
    if (x > labelOutput) { sum.greater += 1.0; }
    if (x == labelOutput) { sum.equal += 1.0; }
  }
  sums[mine] = sum;
  workgroupBarrier();
  for (var half = SLICES / 2u; half > 0u; half /= 2u) {
    if (slice < half) {
      let a = sums[mine];
      let b = sums[mine + half * LANES];
      sums[mine] = Sums(a.others + b.others, a.greater + b.greater, a.equal + b.equal);
    }
    workgroupBarrier();
  }
  sum = sums[lane];
  if (image >= IMAGES) { return; }

  let valid = isFinite(maximum);
  let nan = bitcast<f32>(bitcast<u32>(maximum) | 0x7fc00000u);
  let total = sum.others + exp(labelOutput - maximum);
  if (slice == 0u) {
    // total is at least 1, because the maximum's own term is; where the label is that maximum, total - 1 is others.
    let beyondOne = select(total - 1.0, sum.others, labelOutput == maximum);
    store_loss(n, select(nan, (maximum - labelOutput) + logOnePlus(max(beyondOne, 0.0)), valid));
    store_top1Error(n, select(1.0, topError(1.0, sum.greater, sum.equal), valid));
    store_top5Error(n, select(1.0, topError(GUESSES, sum.greater, sum.equal), valid));
  }
  for (var k = slice; k < CLASSES; k += SLICES) {
    let i = k * IMAGES + n;
    let probability = exp(load_output(i) - maximum) / total;
    store_probabilities(i, select(nan, probability, valid));
${
  gradient
    ? `    // At the label, probability - 1 would lose the digits of a probability near 1.
    let gradient = select(probability, -sum.others / total, k == label) / f32(IMAGES);
    store_outputGradient(i, select(nan, gradient, valid));`
    : ''
}
  }
}
`;
  return { wgsl, workgroups: Math.ceil(images / lanes) };
}
