import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { planMemory } from './plan.js';
import type { Dispatch } from './recorder.js';
import type { Tensor } from './tensor.js';

const tensor = (label: string, elements: number, mayReuse?: Tensor): Tensor => ({
  label,
  shape: [elements],
  elements,
  dataType: 'f32',
  mayReuse,
});

const dispatch = (reads: Tensor[], writes: Tensor[]): Dispatch => ({
  label: 'kernel',
  wgsl: '',
  reads: Object.fromEntries(reads.map((read, index) => [`in${index}`, read])),
  writes: Object.fromEntries(writes.map((written, index) => [`out${index}`, written])),
  workgroups: [1],
});

const alignment = 16;
const plan = (dispatches: Dispatch[], mostBytes = 1e9) => planMemory(dispatches, { alignment, mostBytes });

describe('planMemory', () => {
  test('a chain needs two pieces, however long it is', () => {
    const chain = Array.from({ length: 10 }, (_, index) => tensor(`t${index}`, 100));
    const layout = plan(chain.map((written, index) => dispatch(index > 0 ? [chain[index - 1]!] : [], [written])));
    expect(layout.pieceBytes).toEqual([400, 400]);
    expect(layout.leastBytes).toBe(800);
  });

  test('a tensor overwrites the one it may reuse at its last read', () => {
    const x = tensor('x', 100);
    const y = tensor('y', 100, x);
    const layout = plan([dispatch([], [x]), dispatch([x], [y]), dispatch([y], [])]);
    expect(layout.places.get(y)).toEqual(layout.places.get(x));
    expect(layout.leastBytes).toBe(400);
  });

  test('a tensor does not overwrite one that is read later', () => {
    const x = tensor('x', 100);
    const y = tensor('y', 100, x);
    const layout = plan([dispatch([], [x]), dispatch([x], [y]), dispatch([x, y], [])]);
    expect(layout.places.get(y)!.piece).not.toBe(layout.places.get(x)!.piece);
  });

  test('tensors with their own memory are not included', () => {
    const own: Tensor = { ...tensor('weight', 100), lasting: true };
    const layout = plan([dispatch([own], [tensor('y', 1)])]);
    expect(layout.pieceBytes).toEqual([4]);
  });

  test('reading what nothing wrote is refused by name', () => {
    expect(() => plan([dispatch([tensor('ghost', 1)], [])])).toThrow(/kernel reads ghost before anything wrote it/);
  });

  test('no two tensors that are alive at once share memory, and none is larger than its piece (1,000 random programs)', () => {
    const program = fc.array(
      fc.record({
        elements: fc.integer({ min: 1, max: 50 }),
        reads: fc.array(fc.nat(30), { maxLength: 3 }),
        reuse: fc.boolean(),
      }),
      { minLength: 1, maxLength: 30 },
    );
    fc.assert(
      fc.property(program, (steps) => {
        const made: Tensor[] = [];
        const dispatches = steps.map(({ elements, reads, reuse }, index) => {
          const inputs = [...new Set(reads.filter((read) => read < index).map((read) => made[read]!))];
          const written = tensor(`t${index}`, elements, reuse ? inputs[0] : undefined);
          made.push(written);
          return dispatch(inputs, [written]);
        });
        const layout = plan(dispatches, 1000);
        // Simulates the program: memory must still hold what a kernel expects to read, and a buffer must be bound in
        // one way.
        let held: Tensor[] = [];
        const endOf = (some: Tensor) => layout.places.get(some)!.offset + 4 * some.elements;
        const meets = (one: Tensor, other: Tensor) => {
          const [a, b] = [layout.places.get(one)!, layout.places.get(other)!];
          return a.piece === b.piece && a.offset < endOf(other) && b.offset < endOf(one);
        };
        for (const { reads, writes } of dispatches) {
          for (const read of Object.values(reads)) expect(held).toContain(read);
          for (const written of Object.values(writes)) {
            const { piece, offset } = layout.places.get(written)!;
            expect(layout.pieceBytes[piece]).toBeGreaterThanOrEqual(endOf(written));
            expect(offset % alignment).toBe(0);
            for (const read of Object.values(reads)) {
              if (layout.places.get(read)!.piece !== piece) continue;
              expect(written.mayReuse).toBe(read);
              expect(layout.places.get(read)).toEqual({ piece, offset });
            }
            held = [...held.filter((other) => !meets(other, written)), written];
          }
        }
        for (const bytes of layout.pieceBytes) expect(bytes).toBeLessThanOrEqual(1000);
        const planned = layout.pieceBytes.reduce((sum, bytes) => sum + bytes, 0);
        expect(planned).toBeGreaterThanOrEqual(layout.leastBytes);
      }),
      { numRuns: 1000 },
    );
  });
});
