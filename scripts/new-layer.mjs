// Creates the package of a new layer, with a working layer to replace.
//
//   npm run new-layer NAME creates packages/NAME
//   npm run new-layer -- --check creates one in a copy of the last commit, and runs all checks on it
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The files of a package, by its name in kebab case and its layer's name in camel case. */
function filesOf(name, layer) {
  const options = `${layer[0].toUpperCase()}${layer.slice(1)}Options`;
  const { version } = JSON.parse(readFileSync(join(root, 'packages/tensor/package.json'), 'utf8'));
  const manifest = {
    name: `@alex/${name}`,
    version,
    description: `The layer ${layer}.`,
    keywords: ['webgpu', 'alexnet', 'deep-learning', name, 'layer'],
    sideEffects: false,
    exports: {
      '.': { '@alex/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/index.js' },
    },
    scripts: { build: 'tsup', typecheck: 'tsc --noEmit', test: 'vitest run', lint: 'biome check .' },
    dependencies: { '@alex/tensor': `^${version}` },
    devDependencies: { '@alex/software-gpu': `^${version}` },
  };
  return {
    'package.json': `${JSON.stringify(manifest, null, 2)}\n`,
    'tsconfig.json': '{\n  "extends": "../../tsconfig.base.json",\n  "include": ["src"]\n}\n',
    'tsup.config.ts': `import { library } from '../../tsup.base.js';\n\nexport default library(['src/index.ts']);\n`,
    'vitest.config.ts': `export { default } from '../../vitest.base.js';\n`,
    'src/index.ts': `export { type ${options}, ${layer} } from './${name}.js';\n`,
    [`src/${name}.ts`]: `import { ConfigError, type Layer, type LayerOptions } from '@alex/tensor';
import { elementwiseLayer } from '@alex/tensor/kernels';

export interface ${options} extends LayerOptions {
  /** Factor of values below 0; at least 0 and below 1. Default: 0.01. */
  readonly slope?: number;
}

/**
 * \`x\` above 0 and \`slope * x\` below, for activations of any shape. Replace this layer with your own: docs/guides/own-layer.md.
 *
 * @throws ConfigError for a slope that is not allowed
 */
export function ${layer}({ slope = 0.01, ...options }: ${options} = {}): Layer {
  if (!(slope >= 0 && slope < 1)) {
    throw new ConfigError(\`\${options.name ?? '${layer}'}: slope must be at least 0 and below 1, got \${slope}\`);
  }
  const a = slope.toFixed(8);
  return elementwiseLayer({
    ...options,
    kind: '${layer}',
    value: \`max(x, \${a} * x)\`,
    derivative: \`select(\${a}, 1.0, y > 0.0)\`,
  });
}
`,
    [`src/${name}.test.ts`]: `import { ConfigError } from '@alex/tensor';
import { describeLayer } from '@alex/tensor/testing';
import { describe, expect, it } from 'vitest';
import { ${layer} } from './${name}.js';

describeLayer(
  ${layer},
  [
    { options: {}, input: [3, 5] },
    { options: { slope: 0.25 }, input: [2, 4, 3, 5], columns: { count: 2, from: 'own' } },
  ],
  {
    describe,
    it,
    // The definition, in float64.
    reference: ({ options: { slope = 0.01 }, input, outputGradient }) => ({
      output: Float64Array.from(input.data, (x) => (x > 0 ? x : slope * x)),
      inputGradient: Float64Array.from(outputGradient.data, (g, i) => (input.data[i]! > 0 ? g : slope * g)),
    }),
  },
);

it('refuses a slope that is not allowed', () => {
  expect(() => ${layer}({ slope: 1, name: 'leaky1' })).toThrow(ConfigError);
  expect(() => ${layer}({ slope: Number.NaN, name: 'leaky1' })).toThrow(/leaky1: slope must be .*, got NaN/);
});
`,
    'src/readme.test.ts': `import { expect, it } from 'vitest';
import { runReadme } from '../../../readme.base.js';

it("runs the README's snippet", async () => {
  expect(await runReadme(import.meta.url)).toBe('-0.5 2\\n');
});
`,
    'README.md': `# @alex/${name}

The layer \`${layer}\`.

\`\`\`sh
npm install @alex/${name} @alex/tensor @alex/software-gpu   # software-gpu provides a driver if there is no GPU
\`\`\`

\`\`\`ts
import { openGpu } from '@alex/tensor';
import { runLayer } from '@alex/tensor/testing';
import { ${layer} } from '@alex/${name}';

const gpu = await openGpu();
const input = { shape: [1, 2], data: Float32Array.of(-1, 2) };
const { output } = await runLayer(gpu, ${layer}({ slope: 0.5 }), { input });
console.log(output.data.join(' ')); // -0.5 2
gpu.dispose();
\`\`\`
`,
  };
}

function makeLayer(name) {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) {
    return refuse(`${name}: a name consists of lower-case letters and digits, with hyphens between words: my-layer`);
  }
  const folder = join(root, 'packages', name);
  if (existsSync(folder)) return refuse(`packages/${name} already exists; choose another name`);
  const layer = name.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
  for (const [file, text] of Object.entries(filesOf(name, layer))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  const floors = join(root, 'scripts/architecture.mjs');
  const text = readFileSync(floors, 'utf8');
  writeFileSync(floors, text.replace(/(name: 'layers', packages: \[[^\]]*)\]/, `$1, '${name}']`));
  const run = (command, ...given) =>
    execFileSync(command, given, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  run('node', 'scripts/manifests.mjs');
  run('npm', 'install', '--ignore-scripts', '--prefer-offline');
  run('npx', 'biome', 'check', '--write', `packages/${name}`, 'scripts');
  run('node', 'scripts/architecture.mjs');
  console.log(`packages/${name} was created. Test it: npx turbo run test --filter=@alex/${name}`);
  console.log('Then replace its layer: docs/guides/own-layer.md. Add the package to the table in README.md.');
}

/** Creates a package in a copy, so that nothing is left behind, and runs all checks. */
function check() {
  const folder = mkdtempSync(join(tmpdir(), 'alex-new-layer-'));
  const copy = join(folder, 'copy');
  const run = (cwd, command, ...given) =>
    execFileSync(command, given, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  try {
    run(root, 'git', 'clone', '--quiet', root, copy);
    run(copy, 'npm', 'ci', '--prefer-offline', '--ignore-scripts');
    run(copy, 'npm', 'run', 'new-layer', 'check-layer');
    run(copy, 'npx', 'turbo', 'run', 'build', 'typecheck', 'lint', 'test', '--filter=@alex/check-layer');
    run(copy, 'node', 'scripts/architecture.mjs', '--check');
    run(copy, 'node', 'scripts/manifests.mjs', '--check');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function refuse(why) {
  console.error(why);
  process.exitCode = 2;
}

const { values, positionals } = parseArgs({ options: { check: { type: 'boolean' } }, allowPositionals: true });
if (values.check) check();
else if (positionals.length === 1) makeLayer(positionals[0]);
else refuse('Give the name of the layer: npm run new-layer my-layer');
