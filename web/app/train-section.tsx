/** 4. Training: the run as it goes on. */
import type { Evaluation } from "../worker/protocol.ts";
import { ComparisonView } from "./comparison-view.tsx";
import { Curve } from "./curve.tsx";
import { formatDecimal, formatDuration, plural } from "./format.ts";
import { metricTexts } from "./metrics.ts";
import { finish, pause, resume, start } from "./run-control.ts";
import { Section } from "./section.tsx";
import { SentenceMapView } from "./sentence-map-view.tsx";
import { data, isBusy, map, mapTexts, plan, type RunState, result, run } from "./store.ts";

export function TrainSection() {
  const state = run.value;
  return (
    <Section
      name="train"
      title="Train"
      done={result.value !== null}
      showsOwnProgress={state?.status === "running"}
      waitsFor={plan.value?.fits || state !== null ? null : "This follows the plan."}
      lead="The model reads your text and moves what belongs together closer. You can pause, or close the page: it goes on from where it was."
    >
      <Buttons state={state} />
      {state && <Progress state={state} />}
      {state && <Curves state={state} />}
      {map.value && mapTexts.value && <SentenceMapView map={map.value} {...mapTexts.value} />}
      {data.value && <ComparisonView />}
    </Section>
  );
}

function Buttons({ state }: { readonly state: RunState | null }) {
  const busy = isBusy.value;
  if (state?.status === "running") {
    return (
      <div class="buttons">
        <button type="button" onClick={pause}>
          Pause
        </button>
      </div>
    );
  }
  return (
    <div class="buttons">
      {state?.status === "paused" && (
        <>
          <button type="button" class="primary" disabled={busy} onClick={resume}>
            Go on
          </button>
          <button type="button" disabled={busy} onClick={finish}>
            Stop here and keep it
          </button>
        </>
      )}
      <button type="button" class={state === null ? "primary" : ""} disabled={busy || !plan.value?.fits} onClick={start}>
        {state === null ? "Start training" : "Start over"}
      </button>
    </div>
  );
}

function Progress({
  state: { status, stage, step, steps, secondsLeft, sentencesPerSecond, savedStep, notice },
}: {
  readonly state: RunState;
}) {
  const headline = {
    running: stage || `Step ${step} of ${steps}`,
    paused: `Paused after step ${step} of ${steps}`,
    finished: `${plural(step, "step")} done`,
  }[status];
  const rest = [
    sentencesPerSecond !== null &&
      status === "running" &&
      `${sentencesPerSecond.toFixed(sentencesPerSecond < 10 ? 1 : 0)} sentences a second`,
    secondsLeft !== null && status === "running" && `${formatDuration(Math.max(1, secondsLeft))} left`,
    savedStep !== null && status !== "finished" && `kept in this browser up to step ${savedStep}`,
  ].filter((text) => text !== false);
  return (
    <div class="run">
      <progress max={steps} value={step} aria-label="Training" />
      <p>
        <strong>{headline}</strong>
        {rest.length > 0 && <span class="note"> {rest.join(", ")}</span>}
      </p>
      {notice && <p class="note">{notice}</p>}
    </div>
  );
}

/** What is measured without regard to any answer, as in Wang and Isola 2020. */
const curveTexts = {
  alignment: {
    title: "Alignment",
    hint: "distance of what belongs together: lower is better",
    format: (value: number) => formatDecimal(value, 2),
  },
  uniformity: {
    title: "Uniformity",
    hint: "how evenly all are spread: lower is better",
    format: (value: number) => formatDecimal(value, 2),
  },
} as const;

function Curves({ state: { points, evaluations, steps } }: { readonly state: RunState }) {
  const [first] = evaluations;
  const last = evaluations.at(-1);
  const names = Object.keys(first?.metrics ?? {});
  const scored = (measure: (evaluation: Evaluation) => number) =>
    evaluations.map((evaluation) => [evaluation.step, measure(evaluation)] as const);
  return (
    <>
      {first && last && last.step > 0 && (
        <div class="outcome">
          {names.map((name) => (
            <p key={name}>
              {metricTexts[name]!.title}: <span class="before">{metricTexts[name]!.format(first.metrics[name]!)}</span> before,{" "}
              <span class="now">{metricTexts[name]!.format(last.metrics[name]!)}</span> now
            </p>
          ))}
        </div>
      )}
      <div class="curves">
        {names.map((name) => (
          <Curve key={name} {...metricTexts[name]!} smallest={0.05} dots steps={steps} points={scored(({ metrics }) => metrics[name]!)} />
        ))}
        <Curve
          title="Loss"
          smallest={0.1}
          hint="how wrong it still is"
          steps={steps}
          format={(value) => formatDecimal(value, 3)}
          points={points.map(({ step, loss }) => [step, loss] as const)}
        />
        {last && last.alignment !== null && (
          <Curve {...curveTexts.alignment} smallest={0.1} dots steps={steps} points={scored(({ alignment }) => alignment!)} />
        )}
        {last && <Curve {...curveTexts.uniformity} smallest={0.1} dots steps={steps} points={scored(({ uniformity }) => uniformity)} />}
        <Curve
          title="Rate"
          smallest={0}
          hint="how fast it learns"
          steps={steps}
          format={(value) => (value === 0 ? "0" : value.toExponential(1).replace("-", "−"))}
          points={points.map(({ step, learningRate }) => [step, learningRate] as const)}
        />
      </div>
    </>
  );
}
