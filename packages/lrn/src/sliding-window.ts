/**
 * The last `count` values of a sweep, each in its own register. Every value under the sliding window is loaded once,
 * and the sum is recomputed at each position, so that no rounding error accumulates.
 */
export interface SlidingWindow {
  /** WGSL that declares the registers, of type `Values` and initially zero. */
  readonly declare: string;
  /** From the oldest value to the newest. */
  readonly registers: readonly string[];
  /** WGSL that drops the oldest value and adds a new one. */
  push(value: string): string;
}

export function slidingWindow(name: string, count: number): SlidingWindow {
  const registers = Array.from({ length: count }, (_, age) => `${name}${age}`);
  return {
    declare: registers.map((register) => `var ${register} = Values();`).join(' '),
    registers,
    push: (value) => registers.map((register, age) => `${register} = ${registers[age + 1] ?? value};`).join(' '),
  };
}
