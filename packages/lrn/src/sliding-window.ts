/**
 * The last `count` values of a sweep, in registers of their own: what a window slides over is loaded once, and its sum
 * is taken again at each place, so that no rounding error is carried along.
 */
export interface SlidingWindow {
  /** WGSL that declares the registers, all zero, of the type `Values`. */
  readonly declare: string;
  /** From the oldest value to the newest. */
  readonly registers: readonly string[];
  /** WGSL that forgets the oldest value and takes in a new one. */
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
