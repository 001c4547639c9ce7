import sharp from 'sharp';
import { makeShard, type ShardJob } from './prepare/shard.js';

/** What a process that makes shards says. */
export type ShardMessage =
  | { readonly kind: 'images'; readonly count: number }
  | { readonly kind: 'made'; readonly images: number; readonly rejected: number }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };

/** Images between two words about progress. */
const often = 16;

// Images, not parts of one, are worked on at the same time; none comes twice.
sharp.concurrency(1);
sharp.cache(false);

const say = (message: ShardMessage) => process.send?.(message);

process.on('message', (job: ShardJob) => {
  let count = 0;
  const flush = () => {
    if (count > 0) say({ kind: 'images', count });
    count = 0;
  };
  makeShard(job, (images) => {
    count += images;
    if (count >= often) flush();
  }).then(
    ({ images, rejected }) => {
      flush();
      say({ kind: 'made', images: images.length, rejected: rejected.length });
    },
    (error: Error) => say({ kind: 'failed', name: error.name, message: error.message }),
  );
});
// Whoever asked for shards is gone, killed perhaps.
process.on('disconnect', () => process.exit(1));
