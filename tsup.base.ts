import { defineConfig } from 'tsup';

/** How every package of the house is built: ES modules with declarations, dependencies left outside. */
export const library = (entry: string[]) =>
  defineConfig({
    entry,
    format: 'esm',
    target: 'node20',
    // Packages hold their sources, so maps need not hold them once more.
    sourcemap: true,
    esbuildOptions(options) {
      options.sourcesContent = false;
    },
    // Readers and bundlers tell Node's modules by it.
    removeNodeProtocol: false,
    clean: true,
    // Declarations come from the other packages' built declarations, as an installed package would see them.
    dts: { compilerOptions: { customConditions: [] } },
  });
