/** Learning-rate schedules, as multiples of the peak rate. */

/** `step` updates done of `totalSteps`; the result multiplies the learning rate of the next one. */
export type Schedule = (step: number, totalSteps: number) => number;

/** From 1 down to 0, in a line. */
export const linear: Schedule = (step, totalSteps) => Math.max(0, (totalSteps - step) / Math.max(1, totalSteps));
