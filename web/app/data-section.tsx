/** 2. The visitor's text. */
import { Section } from "./section.tsx";
import { data, model } from "./store.ts";

export function DataSection() {
  return (
    <Section name="data" title="Your text" done={data.value !== null} waitsFor={model.value === null ? "Choose a model first." : null}>
      <p class="note">Coming.</p>
    </Section>
  );
}
