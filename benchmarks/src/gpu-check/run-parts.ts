import { join } from 'node:path';
import type { TaskReport } from './findings.js';
import { fileName, type Part, type Task } from './plan.js';
import { runCommand } from './run-command.js';

export interface RunPartsOptions {
  /** Seconds for the whole check, of which each part has its share; task limits scale with it. */
  readonly seconds: number;
  /** A task with fewer seconds than this is not started. Default: 3. */
  readonly leastSeconds?: number;
  /** Folder for the logs. */
  readonly out: string;
  readonly onStart?: (task: Task, limitMs: number) => void;
  readonly onEnd?: (report: TaskReport) => void | Promise<void>;
}

/**
 * Runs the tasks one after another. Each part has a time limit by which all its tasks have ended in any case, so that
 * the later parts are reached.
 */
export async function runParts(parts: readonly Part[], options: RunPartsOptions): Promise<TaskReport[]> {
  const { seconds, leastSeconds = 3, out, onStart, onEnd } = options;
  const scaledMs = (1000 * seconds) / parts.reduce((sum, part) => sum + part.seconds, 0);
  const reports: TaskReport[] = [];
  let end = performance.now();
  for (const part of parts) {
    end += scaledMs * part.seconds;
    const tasks = [...part.tasks];
    for (let task = tasks.shift(); task; task = tasks.shift()) {
      const limitMs = Math.min(scaledMs * task.limit, end - performance.now());
      const begins = limitMs >= 1000 * leastSeconds;
      if (begins) onStart?.(task, limitMs);
      const report = begins ? await runTask(task, limitMs, out) : notReached(task);
      reports.push(report);
      await onEnd?.(report);
      const next = task.next?.(report.finding);
      if (next) tasks.unshift(next);
    }
  }
  return reports;
}

function notReached({ name }: Task): TaskReport {
  return { name, outcome: 'not reached', seconds: 0, reason: 'the time limit of its part was reached' };
}

async function runTask({ name, command, read }: Task, limitMs: number, out: string): Promise<TaskReport> {
  const { output, ...ended } = await runCommand(command, limitMs, join(out, `${fileName(name)}.log`));
  try {
    const finding = await read(output);
    // A task that was asked to end and reported its findings has succeeded.
    const asked = ended.outcome === 'failed' && command.asked !== undefined && finding !== undefined;
    if (asked) return { name, outcome: 'done', seconds: ended.seconds, finding };
    return { name, ...ended, ...(finding && { finding }) };
  } catch (error) {
    return { name, ...ended, outcome: 'failed', reason: `cannot be parsed: ${String(error)}` };
  }
}
