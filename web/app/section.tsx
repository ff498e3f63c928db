/** The frame of each of the five steps: number, title, and what goes on or went wrong in it. */
import type { ComponentChildren } from "preact";
import { activityOf, failureIn, type SectionName, sections } from "./store.ts";

interface SectionProps {
  readonly name: SectionName;
  readonly title: string;
  /** What the step is for, in one sentence. */
  readonly lead?: ComponentChildren;
  /** What has to be done first; the section is then only its title and this. */
  readonly waitsFor?: string | null;
  /** Whether the step is done. */
  readonly done?: boolean;
  /** Whether what it shows says how far the work is, so that no other line has to. */
  readonly showsOwnProgress?: boolean;
  readonly children?: ComponentChildren;
}

export function Section({ name, title, lead, waitsFor = null, done = false, showsOwnProgress = false, children }: SectionProps) {
  const number = sections.indexOf(name) + 1;
  const state = waitsFor !== null ? "waiting" : done ? "done" : "open";
  return (
    <section id={name} class={`step ${state}`} aria-labelledby={`${name}-title`}>
      <h2 id={`${name}-title`} tabIndex={-1}>
        <span class="number" aria-hidden="true">
          {done && waitsFor === null ? "✓" : number}
        </span>
        {title}
      </h2>
      <div class="body">
        {waitsFor !== null ? (
          <p class="note">{waitsFor}</p>
        ) : (
          <>
            {lead && <p class="lead">{lead}</p>}
            {children}
            {!showsOwnProgress && <ActivityLine section={name} />}
            <FailureMessage section={name} />
          </>
        )}
      </div>
    </section>
  );
}

function ActivityLine({ section }: { readonly section: SectionName }) {
  const activity = activityOf(section);
  return (
    <div class="activity" role="status">
      {activity && (
        <>
          <progress value={activity.progress ?? undefined} max={1} aria-label={activity.text} />
          <span>{activity.text}</span>
          <button type="button" class="quiet" onClick={activity.stop}>
            Stop
          </button>
        </>
      )}
    </div>
  );
}

function FailureMessage({ section }: { readonly section: SectionName }) {
  const failure = failureIn(section);
  return (
    <div role="alert">
      {failure && (
        <div class="message">
          <strong>{failure.message}</strong>
          <p>{failure.remedy}</p>
        </div>
      )}
    </div>
  );
}
