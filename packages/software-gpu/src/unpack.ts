import { createReadStream } from 'node:fs';
import { access, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createBrotliDecompress } from 'node:zlib';
import { extract } from 'tar-stream';

/** Unpacks an archive. */
export async function unpack(archive: string, cacheFolders: readonly string[]): Promise<string> {
  let problem: unknown;
  for (const cache of cacheFolders) {
    const target = join(cache, 'swiftshader-147.0.0');
    try {
      await access(join(target, 'vk_swiftshader_icd.json'));
      return target;
    } catch {
      try {
        await mkdir(cache, { recursive: true });
        const part = await mkdtemp(join(cache, '.part-'));
        const tar = extract();
        const files: [string, Buffer][] = [];
        const reading = (async () => {
          for await (const entry of tar) {
            const chunks: Buffer[] = [];
            for await (const chunk of entry) chunks.push(chunk as Buffer);
            files.push([basename(entry.header.name), Buffer.concat(chunks)]);
          }
        })();
        await pipeline(createReadStream(archive), createBrotliDecompress(), tar);
        await reading;
        for (const [name, bytes] of files) if (bytes.length > 0) await writeFile(join(part, name), bytes);
        await rename(part, target).catch(() => rm(part, { recursive: true }));
        return target;
      } catch (error) {
        problem = error;
      }
    }
  }
  throw problem;
}
