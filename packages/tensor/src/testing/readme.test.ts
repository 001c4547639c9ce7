import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { alone, firstSnippet, runReadme } from '../../../../readme.base.js';

describe('firstSnippet', () => {
  it('finds the first TypeScript block among others', () => {
    expect(firstSnippet('# A\n```sh\nnpm install\n```\n```ts\nconst a = 1;\n```\n```ts\nconst b = 2;\n```\n')).toBe(
      'const a = 1;\n',
    );
  });

  it('finds none if there is none', () => {
    expect(firstSnippet('```tsx\n<a />\n```\n')).toBeUndefined();
  });
});

describe.each([
  ['in this process', undefined],
  ['in a separate process', alone],
])('runReadme %s', (_, runner) => {
  let root: string;
  let source: string;

  beforeEach(async () => {
    // Inside the package, where Node finds `tsx` and the other packages.
    root = await mkdtemp(join(dirname(fileURLToPath(import.meta.url)), '.readme-test-'));
    source = join(root, 'src');
    await mkdir(source);
    // As in every package here, snippets are ES modules, so they may use top-level await.
    await writeFile(join(root, 'package.json'), '{ "type": "module" }');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  const run = async (snippet: string) => {
    await writeFile(join(root, 'README.md'), `# Package\n\n\`\`\`ts\n${snippet}\n\`\`\`\n`);
    return runReadme(pathToFileURL(join(source, 'readme.test.ts')).href, runner);
  };

  it("returns the snippet's output and leaves nothing behind", async () => {
    const text = await run(
      "import { formatShape } from '@alex/tensor/kernels';\nconst shape: number[] = await Promise.resolve([1, 2]);\nconsole.log(formatShape(shape));",
    );
    expect(text).toBe('[1, 2]\n');
    expect(await readdir(source)).toEqual([]);
  });

  it('fails if the snippet fails, with its output', async () => {
    await expect(run("console.log('before');\nthrow new Error('broken');")).rejects.toThrow(
      /^the snippet (?=[\s\S]*before)[\s\S]*broken/,
    );
    expect(await readdir(source)).toEqual([]);
  });

  it('fails if there is no snippet', async () => {
    await writeFile(join(root, 'README.md'), '# Package\n');
    await expect(runReadme(pathToFileURL(join(source, 'readme.test.ts')).href)).rejects.toThrow(/no ```ts block/);
  });
});
