import { ArchiveTree } from './archive-tree.js';
import type { ImageTree } from './image-tree.js';
import { plainArchives } from './plain-archive.js';
import type { SourceContext } from './source.js';
import { tarMembers, withFile } from './tar.js';

/**
 * The tree within a tar archive, which is unpacked first if it is gzipped. Only its headers are read.
 *
 * @throws DataError if the archive is truncated or damaged, or there is not enough space to unpack it.
 */
export async function tarTree(file: string, context: SourceContext): Promise<ImageTree> {
  const tree = new ArchiveTree(file);
  const [plain] = await plainArchives([file], context);
  withFile(plain!, (bytes) => {
    for (const { name, offset, length } of tarMembers({ ...bytes, name: file })) {
      if (tree.wants(name)) tree.add(name, { file: plain!, offset, length });
    }
  });
  return tree;
}
