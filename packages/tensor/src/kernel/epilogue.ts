/** What is done to each value of a result before it is stored, which saves a pass over memory. */
export interface Epilogue {
  readonly name: string;
  /** An expression of the value `x`, a WGSL variable: of an `f32`, or of a `vec4f`, whose values are treated alike. */
  wgsl(x: string, width: 1 | 4): string;
}

/** WGSL that calls `store` with a value after the epilogue. */
export function storeAfter(
  epilogue: Epilogue | undefined,
  value: string,
  width: 1 | 4,
  store: (value: string) => string,
): string {
  return epilogue ? `let x = ${value}; ${store(epilogue.wgsl('x', width))}` : store(value);
}
