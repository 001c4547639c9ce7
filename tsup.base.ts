import { defineConfig } from 'tsup';

/** How every package of the house is built: ES modules with declarations, dependencies left outside. */
export const library = (entry: string[]) =>
  defineConfig({
    entry,
    format: 'esm',
    target: 'node20',
    sourcemap: true,
    clean: true,
    // Declarations come from the other packages' built declarations, as an installed package would see them.
    dts: { compilerOptions: { customConditions: [] } },
  });
