/** 5. Using the model: search, near-duplicates, vectors, and the model itself. */
import { DuplicatesPanel } from "./duplicates-panel.tsx";
import { FilesPanel } from "./files-panel.tsx";
import { SavedIndexNote, SearchPanel } from "./search-panel.tsx";
import { Section } from "./section.tsx";
import { data, index, result, savedIndex } from "./store.ts";
import { VectorsPanel } from "./vectors-panel.tsx";

export function UseSection() {
  const ready = data.value !== null || index.value !== null;
  const waitsFor = ready || savedIndex.value !== null ? null : "Give your text first.";
  return (
    <Section
      name="use"
      title="Use it"
      waitsFor={waitsFor}
      lead={result.value === null ? "With the model as it is. You can train it first, and come back." : "With the model that you trained."}
    >
      <SavedIndexNote />
      {ready && (
        <div class="panels">
          <SearchPanel />
          <DuplicatesPanel />
          <VectorsPanel />
          <FilesPanel />
        </div>
      )}
    </Section>
  );
}
