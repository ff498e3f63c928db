/** 3. What the run will take. */
import { Section } from "./section.tsx";
import { data, plan } from "./store.ts";

export function PlanSection() {
  return (
    <Section name="plan" title="Plan" done={plan.value?.fits === true} waitsFor={data.value === null ? "Give your text first." : null}>
      <p class="note">Coming.</p>
    </Section>
  );
}
