import { defineConfig } from 'tsup';

/**
 * How every package is built: ES modules with declarations, without bundled dependencies.
 *
 * @param external imports of the package's own that are resolved where it is used
 */
export const library = (entry: string[] | Record<string, string>, external: string[] = []) =>
  defineConfig({
    entry,
    external,
    format: 'esm',
    target: 'node20',
    // Packages include their sources, so maps need not.
    sourcemap: true,
    esbuildOptions(options) {
      options.sourcesContent = false;
    },
    // Readers and bundlers recognize Node's modules by it.
    removeNodeProtocol: false,
    clean: true,
    // Declarations come from the other packages' built declarations, as an installed package would see them.
    dts: { compilerOptions: { customConditions: [] } },
  });
