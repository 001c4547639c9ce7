/*
 * Records that a task prints while it runs, so that an early end leaves all findings so far: lines of JSON on standard output,
 * each after this mark, among other output.
 */

const mark = 'gpu-check ';

export function formatRecord(record: object): string {
  return `${mark}${JSON.stringify(record)}`;
}

/** The records in a process's output; a truncated line is ignored. */
export function parseRecords(output: string): Record<string, unknown>[] {
  return output.split('\n').flatMap((line) => {
    if (!line.startsWith(mark)) return [];
    try {
      return [JSON.parse(line.slice(mark.length)) as Record<string, unknown>];
    } catch {
      return [];
    }
  });
}
