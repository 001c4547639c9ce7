/**
 * How to start a script of this package in a separate thread. In the build, it is next to this file; run from the
 * sources, it needs the loader that lets Node read TypeScript. `@alex/data` has the same function: only a package itself
 * knows where its scripts are.
 */
export function ownScript(name: string): { readonly url: URL; readonly execArgv: string[] } {
  const fromSources = import.meta.url.endsWith('.ts');
  const url = new URL(`./${name}.${fromSources ? 'ts' : 'js'}`, import.meta.url);
  if (!fromSources) return { url, execArgv: [] };
  const loader = `import { register } from '${import.meta.resolve('tsx/esm/api')}'; register();`;
  const execArgv = ['--conditions=@alex/source', '--import', `data:text/javascript,${encodeURIComponent(loader)}`];
  return { url, execArgv };
}
