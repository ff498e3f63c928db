/** 5. Using the model: search, near-duplicates, downloads. */
import { Section } from "./section.tsx";
import { data, result } from "./store.ts";

export function UseSection() {
  const ready = data.value !== null;
  return (
    <Section name="use" title="Use it" done={false} waitsFor={ready ? null : "Give your text first."}>
      <p class="note">{result.value === null ? "With the model as it is." : "With what you trained."}</p>
    </Section>
  );
}
