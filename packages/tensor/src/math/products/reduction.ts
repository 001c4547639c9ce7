/** The length of the reduction: `rounds` times the unrolled steps, and a remainder. */
export interface Reduction {
  /** A `u32` expression, the same for all invocations of a workgroup. */
  readonly rounds: string;
  readonly rest: number;
  /** A condition for the remainder, the same for all invocations of a workgroup; default: always. */
  readonly restIf?: string;
}

/**
 * Repeats the reduction, each time with different operands. One flat loop: software drivers pay for every loop around
 * sums.
 */
export interface OuterLoop {
  /** Number of reductions: a `u32` expression, the same for all invocations of a workgroup. */
  readonly count: string;
  /** Declares variables that `begin` sets and the operands use. */
  readonly declare?: string;
  /** Statements before each reduction; they can use its number as `outer: u32`. */
  readonly begin: string;
}

/** The whole reduction over `depth` steps. */
export function wholeReduction(depth: number, roundSteps: number): Reduction {
  return { rounds: `${Math.floor(depth / roundSteps)}u`, rest: depth % roundSteps };
}

/**
 * Split-K: the reduction over `depth` steps in at most `splitK` parts of whole rounds, whose sums are added later.
 *
 * @param piece a `u32` expression for the number of the part, the same for all invocations of a workgroup; it begins at
 * step `piece * stepsOfPiece`
 * @returns the reduction of that part, and the number of parts
 */
export function splitReduction(
  depth: number,
  splitK: number,
  roundSteps: number,
  piece: string,
): { readonly reduction: Reduction; readonly stepsOfPiece: number; readonly splitK: number } {
  if (splitK <= 1) return { reduction: wholeReduction(depth, roundSteps), stepsOfPiece: depth, splitK: 1 };
  const rounds = Math.floor(depth / roundSteps);
  const roundsOfPiece = Math.max(1, Math.ceil(rounds / splitK));
  const used = Math.max(1, Math.ceil(rounds / roundsOfPiece));
  return {
    reduction: {
      rounds: `(min(${rounds}u, (${piece} + 1u) * ${roundsOfPiece}u) - ${piece} * ${roundsOfPiece}u)`,
      rest: depth % roundSteps,
      restIf: `${piece} == ${used - 1}u`,
    },
    stepsOfPiece: roundsOfPiece * roundSteps,
    splitK: used,
  };
}

/** WGSL for one reduction. */
export function reductionLoop(begin: string, reduction: Reduction, round: string, rest: string): string {
  const { rounds, restIf } = reduction;
  // A single round needs no loop.
  const all =
    rounds === '0u'
      ? ''
      : rounds === '1u'
        ? `{\n${round}\n}`
        : `for (var round = 0u; round < ${rounds}; round++) {\n${round}\n}`;
  return `${begin}\n${all}\n${rest && restIf ? `if (${restIf}) ${rest}` : rest}`;
}

/**
 * All rounds of all reductions as one loop; `part` counts the rounds of a reduction and its remainder, if there is one.
 */
export function outerLoop(count: string, begin: string, { rounds }: Reduction, round: string, rest: string): string {
  if (rounds === '0u' || (rounds === '1u' && !rest)) {
    return `for (var outer = 0u; outer < ${count}; outer++) {\n${begin}\n${rest || round}\n}`;
  }
  const parts = rest ? `(${rounds} + 1u)` : rounds;
  return `var outer = 0u;
var part = 0u;
let turns = ${count} * ${parts};
for (var turn = 0u; turn < turns; turn++) {
if (part == 0u) {
${begin}
}
${rest ? `if (part == ${rounds}) ${rest} else {\n${round}\n}` : round}
part++;
if (part == ${parts}) { part = 0u; outer++; }
}`;
}
