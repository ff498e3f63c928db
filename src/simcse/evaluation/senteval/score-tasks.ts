/** Scores tasks of SentEval one after another. A task whose data is not there is named and left out. */
import type { Missing } from "./senteval-folder.ts";

/** Called when a task's sentences go to the encoder and again when it is scored, or once when its data is missing. */
export interface TaskProgress<Name extends string, State extends string> {
  readonly task: Name;
  readonly state: State;
  /** How many of the `tasks` are done; a task counts as a half when it is half done. */
  readonly finished: number;
  readonly tasks: number;
}

/** The scores, or the missing file, of each task that was asked for. */
export type TaskResults<Name extends string, Scores> = Readonly<Partial<Record<Name, Scores | Missing>>>;

interface Scoring<Task extends { readonly name: string }, Data extends object, Scores, State extends string> {
  readonly load: (task: Task) => Promise<Data | Missing>;
  /** `tell` reports a state of the task, and how much of it is done. */
  readonly score: (task: Task, data: Data, tell: (state: State, part: number) => void) => Promise<Scores>;
  readonly onProgress?: ((progress: TaskProgress<Task["name"], State | "encoding" | "scored" | "missing">) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Loads and scores each task. Throws what `load` and `score` throw, and between tasks the signal's reason once it is aborted. */
export async function scoreTasks<Task extends { readonly name: string }, Data extends object, Scores, State extends string = never>(
  tasks: readonly Task[],
  { load, score, onProgress, signal }: Scoring<Task, Data, Scores, State>,
): Promise<TaskResults<Task["name"], Scores>> {
  const results: Record<string, Scores | Missing> = {};
  for (const [index, task] of tasks.entries()) {
    const tell = (state: State | "encoding" | "scored" | "missing", part: number) =>
      onProgress?.({ task: task.name, state, finished: index + part, tasks: tasks.length });
    signal?.throwIfAborted();
    const data = await load(task);
    if (isMissing(data)) {
      results[task.name] = data;
      tell("missing", 1);
      continue;
    }
    tell("encoding", 0);
    results[task.name] = await score(task, data, tell);
    tell("scored", 1);
  }
  signal?.throwIfAborted();
  return results as TaskResults<Task["name"], Scores>;
}

/** What `name` scored, or null where it was not run or its data is missing. */
export function scoresOf<Name extends string, Scores extends object>(results: TaskResults<Name, Scores>, name: Name): Scores | null {
  const result: Scores | Missing | undefined = results[name];
  return result === undefined || isMissing(result) ? null : result;
}

function isMissing(found: object): found is Missing {
  return "missing" in found;
}
