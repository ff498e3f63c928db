/** 4. Training. */
import { Section } from "./section.tsx";
import { plan, result } from "./store.ts";

export function TrainSection() {
  return (
    <Section name="train" title="Train" done={result.value !== null} waitsFor={plan.value?.fits ? null : "This follows the plan."}>
      <p class="note">Coming.</p>
    </Section>
  );
}
