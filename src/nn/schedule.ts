/**
 * Learning-rate schedules with warm-up, by the names and with the formulas of transformers 4.2.1 (`get_scheduler`), as multiples of the peak
 * rate.
 */

/**
 * `step` of `totalSteps` updates are done; the first `warmupSteps` raise the rate from 0 to the peak. The result multiplies the peak for
 * the next update. `learningRate` is the peak, for schedules that end at a fixed rate.
 */
export type Schedule = (step: number, totalSteps: number, warmupSteps?: number, learningRate?: number) => number;

/** Where the polynomial schedule ends, independent of the peak, and its power. */
const polynomialEnd = { learningRate: 1e-7, power: 1 } as const;

const warmedUp =
  (after: (progress: number, learningRate: number) => number): Schedule =>
  (step, totalSteps, warmupSteps = 0, learningRate = 1) =>
    step < warmupSteps
      ? step / Math.max(1, warmupSteps)
      : after((step - warmupSteps) / Math.max(1, totalSteps - warmupSteps), learningRate);

const halfCosine = (progress: number) => Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));

/** Falls from 1 to 0 linearly. */
export const linear = warmedUp((progress) => Math.max(0, 1 - progress));

/**
 * Every schedule by its name in `--lr_scheduler_type`. After `totalSteps` they keep their last value, except `cosine`, which rises again.
 */
export const schedules = {
  linear,
  cosine: warmedUp(halfCosine),
  /** One cycle: like `cosine`, but 0 after the end. */
  cosine_with_restarts: warmedUp((progress) => (progress >= 1 ? 0 : halfCosine(progress % 1))),
  polynomial: warmedUp((progress, peak) => {
    const { learningRate: end, power } = polynomialEnd;
    return ((peak - end) * Math.max(0, 1 - progress) ** power + end) / peak;
  }),
  constant: () => 1,
  constant_with_warmup: warmedUp(() => 1),
} as const satisfies Record<string, Schedule>;

/** The names of learning-rate schedules, as in transformers. */
export type SchedulerType = keyof typeof schedules;

/** The names, for a command line. */
export const schedulerTypes = Object.keys(schedules) as SchedulerType[];
