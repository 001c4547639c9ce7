/**
 * WGSL `isNan(x: f32) -> bool`. It tests the bits, because drivers may assume that no value is a NaN; `x != x` is then
 * undefined.
 */
export const isNanWgsl = 'fn isNan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }';

/** WGSL `isFinite(x: f32) -> bool`: neither infinite nor a NaN, by the bits for the same reason. */
export const isFiniteWgsl = 'fn isFinite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }';
