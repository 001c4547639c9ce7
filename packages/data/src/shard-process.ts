import sharp from 'sharp';
import { makeShard, type ShardJob } from './prepare/shard.js';

/** A message from a process that creates shards. */
export type ShardMessage =
  | { readonly kind: 'images'; readonly count: number }
  | { readonly kind: 'made'; readonly images: number; readonly rejected: number }
  | { readonly kind: 'failed'; readonly name: string; readonly message: string };

/** Images between two progress messages. */
const often = 16;

// Whole images, not parts of one, are processed in parallel; none occurs twice.
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
// The parent process is gone, possibly killed.
process.on('disconnect', () => process.exit(1));
