import { globSync } from 'tinyglobby';

/** The pages of the documentation by section, in the order in which they are read; a pattern stands for all its files. */
const sections = {
  Guides: ['docs/gallery.md', 'docs/guides/*.md'],
  'Using it': [
    ...['training', 'data', 'networks', 'evaluation', 'report', 'features', 'other-frameworks', 'imagenet'],
    ...['adapters', 'tuning', 'precision', 'two-adapters', 'cluster'],
  ].map((name) => `docs/${name}.md`),
  'How it works': ['architecture', 'layout', 'winograd', 'gpu-kernels', 'performance', 'glossary'].map(
    (name) => `docs/${name}.md`,
  ),
  Results: ['docs/results/*.md'],
  Packages: ['packages/*/README.md'],
  Examples: ['examples/*/README.md'],
  Contributing: ['CONTRIBUTING.md', 'SECURITY.md', 'benchmarks/README.md'],
};

/** Sections, those of the pages and that of the API, in the order of the navigation. */
export const sectionNames = [...Object.keys(sections), 'Modules'];

/**
 * @param root the folder of the repository
 * @returns the section of each page, by its path
 * @throws Error for a page in `docs` that is in no section
 */
export function pagesBySection(root) {
  const pages = new Map();
  for (const [section, patterns] of Object.entries(sections)) {
    for (const pattern of patterns) {
      const found = globSync(pattern, { cwd: root }).sort();
      if (found.length === 0) throw new Error(`site/docs/pages.mjs: there is no ${pattern}`);
      for (const page of found) pages.set(page, section);
    }
  }
  const forgotten = globSync('docs/**/*.md', { cwd: root }).filter((page) => !pages.has(page));
  if (forgotten.length > 0) throw new Error(`add to a section of site/docs/pages.mjs: ${forgotten.join(', ')}`);
  return pages;
}
