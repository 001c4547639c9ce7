import { join, relative } from 'node:path';
import { Application, Converter, LogLevel } from 'typedoc';
import { repository } from '../../scripts/manifests.mjs';
import { drawDiagram } from './diagram.mjs';
import { examplesWithoutTest } from './examples.mjs';
import { modulesBySource } from './modules.mjs';
import { pagesBySection, sectionNames } from './pages.mjs';

/**
 * Builds the documentation: the pages of the repository, and the API from the comments in the sources.
 *
 * @param root the folder of the repository, @param version the release, @param to the folder to write
 * @throws Error for an export without documentation, an example that no test runs, a link that leads nowhere, or a page in no section
 */
export async function buildDocs({ root, version, to }) {
  const modules = modulesBySource();
  const pages = pagesBySection(root);
  const app = await Application.bootstrap({
    name: 'Alex',
    readme: join(root, 'README.md'),
    entryPoints: [...modules.keys()],
    projectDocuments: [...pages.keys()].map((page) => join(root, page)),
    tsconfig: join(root, 'tsconfig.base.json'),
    compilerOptions: { customConditions: ['@alex/source'] },
    // `npm run typecheck` checks them, package by package.
    skipErrorChecking: true,
    basePath: root,
    alwaysCreateEntryPointModule: true,
    excludeInternal: true,
    excludePrivate: true,
    disableGit: true,
    gitRevision: 'main',
    sourceLinkTemplate: `${repository}/blob/main/{path}#L{line}`,
    requiredToBeDocumented: ['Class', 'Interface', 'Function', 'Variable', 'TypeAlias', 'Enum'],
    validation: { notDocumented: true, invalidLink: true, invalidPath: true, notExported: false },
    groupOrder: sectionNames,
    sort: ['documents-first', 'source-order'],
    navigation: { includeGroups: true, excludeReferences: true },
    headings: { readme: false, document: false },
    searchInComments: true,
    searchInDocuments: true,
    navigationLinks: { Repository: repository },
    customFooterHtml: `Alex ${version}`,
    hideGenerator: true,
    includeHierarchySummary: false,
    // Fields that a type has from several places have several comments, which is no fault.
    logLevel: LogLevel.Error,
  });
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const page = relative(root, document.project.files.getReflectionPath(document));
    document.frontmatter['group'] = pages.get(page);
    document.name = titleOf(document.content);
    for (const part of document.content) {
      const diagram = /^```mermaid\n([\s\S]*)\n```$/.exec(part.text)?.[1];
      if (diagram !== undefined) Object.assign(part, { kind: 'text', text: drawDiagram(diagram) });
    }
  });
  const project = await app.convert();
  if (!project) throw new Error('the documentation cannot be built: TypeDoc could not read the sources');
  for (const module of project.children) module.name = modules.get(module.sources[0].fullFileName);
  const faults = [
    ...validate(app, project),
    ...examplesWithoutTest(root).map((file) => `${file}: no test runs the example in its comment; see example.base.ts`),
  ];
  if (faults.length > 0) throw new Error(`the documentation has faults:\n${faults.join('\n')}`);
  await app.generateDocs(project, to);
  if (app.logger.hasErrors()) throw new Error('the documentation could not be written');
}

/** The first heading of a page. */
function titleOf(content) {
  const text = content.map((part) => part.text).join('');
  return /^# (.*)$/m.exec(text)?.[1].replaceAll('`', '') ?? 'Untitled';
}

/** What TypeDoc finds wrong with the documentation. */
function validate(app, project) {
  const faults = [];
  const { logger } = app;
  app.logger = Object.assign(Object.create(logger), { validationWarning: (message) => faults.push(message) });
  app.validate(project);
  app.logger = logger;
  return faults;
}
