import type { ProductKernelOptions } from './family.js';
import { type LoadForm, stepsOfLoad } from './lanes.js';
import { loadedType } from './operand.js';

const count = (length: number) => Array.from({ length }, (_, index) => index);

/** Four consecutive rows (or columns), the unit of staged kernels. */
export const quad = 4;

/** A vector of a patch, after it has been fetched. */
export interface Fetched {
  readonly name: string;
  /** Whether its four values are along the result, at one step, or along the reduction, for one result. */
  readonly along: LoadForm['along'];
  /** Its step (or result) within the patch. */
  readonly place: number;
}

/** What a lane fetches of an operand at once: four results, at one step or at four. */
export interface Patch {
  /** Which of the quads that its lane fetches it belongs to. */
  readonly quad: number;
  /** `u32` expressions: the first of its results and of its steps, within what is staged. */
  readonly result: string;
  readonly step: string;
  readonly vectors: readonly Fetched[];
}

/** One operand as staged by a workgroup. */
export interface StagedSide {
  readonly name: 'row' | 'column';
  /** Number of results that a workgroup stages. */
  readonly block: number;
  readonly patches: readonly Patch[];
}

/** How the invocations of a workgroup fetch one operand, as WGSL. */
export interface Fetching {
  readonly side: StagedSide;
  /** Statements that compute the lane's position. */
  readonly lane: string;
  /** Which lanes have something to fetch: an `if`, or nothing. */
  readonly condition: string;
  /** Declares the fetched values. */
  readonly declare: string;
  readonly fetch: string;
  /** The same if the steps of some lanes are beyond the reduction. */
  readonly fetchRest: string;
}

/** Generates the fetch of an operand, patch by patch. */
export function fetching(name: 'row' | 'column', options: ProductKernelOptions): Fetching {
  const { plan, reduction } = options;
  const { roundSteps, tile } = plan;
  const [operand, lanes, form, block] =
    name === 'row'
      ? [options.rowOperand, plan.lanes, plan.rowForm, plan.blockRows]
      : [options.columnOperand, plan.columnLanes, plan.columnForm, plan.blockColumns];
  const [laneResult, laneStep] = name === 'row' ? ['lane_row', 'lane_step'] : ['lane_column', 'column_step'];
  const vector = loadedType(operand.dataType ?? 'f32', 4, plan.share);
  const vectors: { readonly name: string; readonly value: string; readonly step: string }[] = [];
  const patches = count(block / quad / lanes.results).flatMap((index) =>
    count(roundSteps / stepsOfLoad(lanes)).map((turn): Patch => {
      const first = turn * stepsOfLoad(lanes);
      const oneResult = form.along === 'steps' && form.width === 4;
      const fetched = count(oneResult ? quad : lanes.depth).map((place): Fetched => {
        const own = { name: `next_${name}_${index}_${turn}_${place}`, place };
        const step = first + (oneResult ? 0 : place);
        const loads = oneResult
          ? [index * quad + place]
          : count(quad / form.width).map((load) => (index * quad) / form.width + load);
        const values = loads.map((load) => operand.load(load, step, undefined)).join(', ');
        vectors.push({
          name: own.name,
          value: loads.length > 1 ? `${vector}(${values})` : values,
          step: `${laneStep} * ${lanes.depth}u + ${step}u`,
        });
        return { ...own, along: oneResult ? 'steps' : 'result' };
      });
      return {
        quad: index,
        result: `(${index * lanes.results}u + ${laneResult}) * ${quad}u`,
        step: `${laneStep} * ${lanes.depth}u + ${first}u`,
        vectors: fetched,
      };
    }),
  );
  // Neighbouring lanes run along the contiguous axis of memory.
  const [result, step] =
    lanes.first === 'results'
      ? [`invocation % ${lanes.results}u`, `invocation / ${lanes.results}u`]
      : [`invocation / ${lanes.steps}u`, `invocation % ${lanes.steps}u`];
  const lanesInUse = lanes.results * lanes.steps;
  return {
    side: { name, block, patches } satisfies StagedSide,
    lane: `let ${laneResult} = ${result};\nlet ${laneStep} = ${step};`,
    condition: lanesInUse < tile.workgroupSize ? `if (invocation < ${lanesInUse}u) ` : '',
    declare: vectors.map((own) => `var ${own.name} = ${vector}();`).join('\n'),
    fetch: vectors.map(({ name: own, value }) => `${own} = ${value};`).join('\n'),
    fetchRest: vectors
      .map(
        ({ name: own, value, step }) =>
          `${own} = ${vector}();\nif (${step} < ${reduction.rest}u) { ${own} = ${value}; }`,
      )
      .join('\n'),
  };
}
