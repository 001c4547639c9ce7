import { type Matrix, transpose } from './cook-toom.js';

/** WGSL `let` statements, and expressions for their results. */
interface StraightLine {
  readonly statements: readonly string[];
  readonly results: readonly string[];
}

/**
 * WGSL for `matrix * X * transpose(matrix)` of a square `X` of numbers or vectors, without loops or arrays, which are
 * slow on software drivers.
 *
 * Values are loaded by columns and stored by rows, to keep live ranges short.
 *
 * @param load - an expression for a value of `X`
 * @param store - a statement that stores a value of the result
 */
export function onBothAxes(
  matrix: Matrix,
  load: (row: number, column: number) => string,
  store: (row: number, column: number, value: string) => string,
): string {
  const size = matrix[0]!.length;
  const lines: string[] = [];
  const columns = Array.from({ length: size }, (_, column) => {
    const loaded = Array.from({ length: size }, (_, row) => {
      lines.push(`let x_${row}_${column} = ${load(row, column)};`);
      return `x_${row}_${column}`;
    });
    const { statements, results } = multiply(matrix, loaded, `column_${column}`);
    lines.push(...statements);
    return results.map((value, row) => {
      lines.push(`let half_${row}_${column} = ${value};`);
      return `half_${row}_${column}`;
    });
  });
  matrix.forEach((_, row) => {
    const { statements, results } = multiply(
      matrix,
      columns.map((column) => column[row]!),
      `row_${row}`,
    );
    lines.push(...statements, ...results.map((value, column) => store(row, column, value)));
  });
  return lines.join('\n');
}

/**
 * `matrix * values`. The matrices of a point and its negative differ only in signs, so half of their sums are shared:
 * either two values always have the same factor up to the sign, or two results do.
 */
export function multiply(matrix: Matrix, values: readonly string[], prefix: string): StraightLine {
  const statements: string[] = [];
  const define = (expression: string) => {
    if (/^-?\w+$/.test(expression)) return expression;
    const name = `${prefix}_${statements.length}`;
    statements.push(`let ${name} = ${expression};`);
    return name;
  };

  // Values that always occur together are replaced by their sum and their difference.
  let columns = transpose(matrix).map((factors, index) => ({ factors, value: values[index]! }));
  for (const [first, second] of pairsThatDifferInSigns(transpose(matrix))) {
    const [a, b] = [columns[first]!, columns[second]!];
    const same = a.factors.map((factor, row) => (factor === b.factors[row] ? factor : 0));
    const opposed = a.factors.map((factor, row) => (factor === b.factors[row] ? 0 : factor));
    columns = columns.with(first, { factors: same, value: define(`${a.value} + ${b.value}`) });
    columns = columns.with(second, { factors: opposed, value: define(`${a.value} - ${b.value}`) });
  }
  const rows = transpose(columns.map(({ factors }) => factors));
  const names = columns.map(({ value }) => value);

  const results = rows.map((row) => combination(row, names));
  for (const [first, second] of pairsThatDifferInSigns(rows)) {
    const [a, b] = [rows[first]!, rows[second]!];
    const same = define(
      combination(
        a.map((factor, column) => (factor === b[column] ? factor : 0)),
        names,
      ),
    );
    const opposed = define(
      combination(
        a.map((factor, column) => (factor === b[column] ? 0 : factor)),
        names,
      ),
    );
    results[first] = `${same} + ${opposed}`;
    results[second] = `${same} - ${opposed}`;
  }
  return { statements, results };
}

/** Disjoint pairs of rows with equal magnitudes, in which some signs are equal and some are not. */
function pairsThatDifferInSigns(matrix: Matrix): [number, number][] {
  const pairs: [number, number][] = [];
  const free = new Set(matrix.keys());
  for (const first of free) {
    for (const second of free) {
      if (second <= first) continue;
      const [a, b] = [matrix[first]!, matrix[second]!];
      const alike = a.every((value, index) => Math.abs(value) === Math.abs(b[index]!));
      const signs = new Set(a.flatMap((value, index) => (value === 0 ? [] : [value === b[index]])));
      if (!alike || signs.size < 2) continue;
      free.delete(first);
      free.delete(second);
      pairs.push([first, second]);
      break;
    }
  }
  return pairs;
}

/** A sum of multiples. A factor common to all terms is applied once. */
function combination(factors: readonly number[], values: readonly string[]): string {
  const terms = factors.flatMap((factor, index) => (factor === 0 ? [] : [{ factor, value: values[index]! }]));
  const shared = Math.abs(terms[0]!.factor);
  if (shared !== 1 && terms.length > 1 && terms.every(({ factor }) => Math.abs(factor) === shared)) {
    return `${shared} * (${combination(
      factors.map((factor) => factor / shared),
      values,
    )})`;
  }
  // A positive term comes first, so that no separate negation is needed.
  const ordered = [...terms.filter(({ factor }) => factor > 0), ...terms.filter(({ factor }) => factor < 0)];
  return ordered
    .map(({ factor, value }, index) => {
      const magnitude = Math.abs(factor);
      const term = magnitude === 1 ? value : `${magnitude} * ${value}`;
      return index === 0 ? (factor < 0 ? `-${term}` : term) : ` ${factor < 0 ? '-' : '+'} ${term}`;
    })
    .join('');
}
