import {
  ConfigError,
  createProgram,
  createTensor,
  disposeTensor,
  type Gpu,
  type Program,
  type Tensor,
} from '@alex/tensor';
import { recordProduct } from '@alex/tensor/kernels';
import { Exchange } from '@alex/tensor/network';

/** The measured speed of several adapters together, which decides how they should share a network's work. */
export interface Rates {
  /** For each adapter, while the others compute as well: software drivers share the cores of the machine. */
  readonly multiplyAddsPerSecond: readonly number[];
  /** From one adapter to another, with the same amount going the other way. */
  readonly exchangeBytesPerSecond: number;
  /** The latency of an exchange. */
  readonly exchangeSeconds: number;
}

/** @throws ConfigError for what `measureRates` cannot have given */
export function checkRates(owner: string, rates: Rates): void {
  const speeds: unknown = rates?.multiplyAddsPerSecond;
  if (Array.isArray(speeds) && speeds.length > 0 && speeds.every((speed) => speed > 0)) return;
  throw new ConfigError(`${owner}: rates are what measureRates(gpus) gives, got ${String(rates)}`);
}

/** Rows, columns and steps of the product that represents a network's kernels. */
const size = 512;
/**
 * Elements of an exchange that is small enough to show the latency, and of one that is large enough to show the rate.
 */
const [fewElements, manyElements] = [1024, 2 ** 21] as const;
const exchanges = 8;
/** Long enough that the start does not matter. */
const shortestMilliseconds = 1000;

/**
 * Measures, in some seconds, how fast adapters compute together and exchange values. Other work on the machine lowers
 * the result.
 *
 * @throws ConfigError if the adapters are not given as an array
 */
export async function measureRates(gpus: readonly Gpu[]): Promise<Rates> {
  if (!Array.isArray(gpus) || gpus.length === 0) {
    throw new ConfigError('measureRates: give the adapters as an array: measureRates([gpu, other])');
  }
  const multiplyAddsPerSecond = await measureProducts(gpus);
  if (gpus.length === 1) return { multiplyAddsPerSecond, exchangeBytesPerSecond: Infinity, exchangeSeconds: 0 };
  const [few, many] = [await measureExchange(gpus, fewElements), await measureExchange(gpus, manyElements)];
  // Other work on the machine may delay the small exchange more.
  const seconds = Math.max(many - few, many / 2);
  return {
    multiplyAddsPerSecond,
    exchangeBytesPerSecond: (4 * (manyElements - fewElements)) / seconds,
    exchangeSeconds: Math.min(few, many / 2),
  };
}

async function measureProducts(gpus: readonly Gpu[]): Promise<number[]> {
  const stations = gpus.map((gpu) => {
    const [a, b, output] = ['a', 'b', 'output'].map((label) => createTensor(gpu, label, [size, size]));
    const program = createProgram(gpu, (recorder) =>
      recordProduct(recorder, { label: 'rate', a: a!, b: b!, output: output!, m: size, n: size, k: size }),
    );
    return { gpu, program, tensors: [a!, b!, output!] };
  });
  try {
    for (const { gpu, program } of stations) {
      await program.run();
      await gpu.finished();
    }
    // Each adapter continues until all have computed long enough, so that the fast one does not end up computing alone.
    const start = performance.now();
    let ready = 0;
    return await Promise.all(
      stations.map(async ({ gpu, program }) => {
        let runs = 0;
        let batch = 1;
        let counted: number | undefined;
        while (counted === undefined || ready < stations.length) {
          const begin = performance.now();
          for (let run = 0; run < batch; run++) await program.run();
          await gpu.finished();
          runs += batch;
          if (performance.now() - begin < shortestMilliseconds / 8) batch *= 2;
          const seconds = (performance.now() - start) / 1000;
          if (counted === undefined && seconds * 1000 >= shortestMilliseconds) {
            counted = (runs * size ** 3) / seconds;
            ready++;
          }
        }
        return counted;
      }),
    );
  } finally {
    for (const { gpu, program, tensors } of stations) {
      program.dispose();
      for (const tensor of tensors) disposeTensor(gpu, tensor);
    }
  }
}

/** Seconds for one exchange between the first two adapters, both ways at once. */
async function measureExchange(gpus: readonly Gpu[], elements: number): Promise<number> {
  const two = gpus.slice(0, 2);
  const exchange = new Exchange(two);
  const made: { gpu: Gpu; program: Program; tensors: Tensor[] }[] = [];
  try {
    for (const [self, gpu] of two.entries()) {
      const [own, other] = ['own', 'other'].map((label) => createTensor(gpu, label, [elements])) as [Tensor, Tensor];
      const program = createProgram(
        gpu,
        (recorder) => {
          recorder.send({ label: 'rate', peer: 1 - self, tensor: own });
          recorder.receive({ label: 'rate', peer: 1 - self, tensor: other });
        },
        { exchange, self },
      );
      made.push({ gpu, program, tensors: [own, other] });
    }
    const run = async () => {
      await Promise.all(made.map(({ program }) => program.run()));
    };
    await run();
    let fastest = Infinity;
    for (let time = 0; time < exchanges; time++) {
      const start = performance.now();
      await run();
      await Promise.all(two.map((gpu) => gpu.finished()));
      fastest = Math.min(fastest, performance.now() - start);
    }
    return fastest / 1000;
  } finally {
    for (const { gpu, program, tensors } of made) {
      program.dispose();
      for (const tensor of tensors) disposeTensor(gpu, tensor);
    }
    exchange.dispose();
  }
}
