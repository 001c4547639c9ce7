import { join } from 'node:path';
import { publishedPackages } from '../../scripts/manifests.mjs';

/** What users import, `@alex/tensor/kernels`, by the path of its source. */
export function modulesBySource() {
  const modules = new Map();
  for (const { folder, manifest } of publishedPackages()) {
    for (const [path, target] of Object.entries(manifest.exports ?? {})) {
      const source = target['@alex/source'];
      if (source) modules.set(join(folder, source), manifest.name + path.slice(1));
    }
  }
  return modules;
}
