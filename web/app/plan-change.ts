/** Changing the settings, and asking again what the run takes. */
import type { RunSettings } from "../worker/protocol.ts";
import { changedSettings, data, engine, perform, plan, timing } from "./store.ts";

/** Asks again what the run takes. */
export async function refreshPlan(): Promise<void> {
  if (data.value === null) return;
  timing.value = null;
  plan.value = (await perform("plan", "Working out the plan", () => engine.plan(changedSettings.value), { blocks: false })) ?? null;
}

/** Changes some settings. */
export async function change(changes: RunSettings): Promise<void> {
  changedSettings.value = { ...changedSettings.value, ...changes };
  await refreshPlan();
}

/** Takes all changes back. */
export async function takeBack(): Promise<void> {
  changedSettings.value = {};
  await refreshPlan();
}
