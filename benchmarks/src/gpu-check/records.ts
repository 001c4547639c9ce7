/*
 * What a task tells while it runs, so that a task which is cut off has told what it knew by then: lines of JSON on standard
 * output, each after this mark, among whatever else is printed there.
 */

const mark = 'gpu-check ';

export function formatRecord(record: object): string {
  return `${mark}${JSON.stringify(record)}`;
}

/** The records among what a process printed; a torn line is none. */
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
