// The packages that run in a browser.
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

export const names = [
  'tensor',
  'activations',
  'augment',
  'dropout',
  'layers-conv',
  'layers-dense',
  'loss',
  'lrn',
  'model-alexnet',
  'multi-gpu',
  'optim',
  'pool',
];

/** The folders to serve, by the first part of their addresses. */
export const folders = Object.fromEntries(names.map((name) => [name, `${root}packages/${name}`]));

const manifests = names.map((name) => JSON.parse(readFileSync(`${root}packages/${name}/package.json`, 'utf8')));

/** All modules that a program can import: `@alex/tensor/kernels`. */
export const entries = manifests.flatMap(({ name, exports }) =>
  Object.keys(exports)
    .filter((path) => path !== './package.json')
    .map((path) => name + path.slice(1)),
);

/** Where a page finds them without a bundler: what the conditions of the manifests choose for a browser. */
export const importMap = {
  imports: Object.fromEntries(
    manifests.flatMap(({ name, exports = {}, imports = {} }, index) => {
      const address = (path) => `/${names[index]}${path.slice(1)}`;
      return [
        ...Object.entries(exports).flatMap(([path, { default: file }]) =>
          file ? [[name + path.slice(1), address(file)]] : [],
        ),
        ...Object.entries(imports).map(([path, { browser: file }]) => [path, address(file)]),
      ];
    }),
  ),
};
