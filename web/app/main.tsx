/** The page: five steps, one below the other. */
import { render } from "preact";
import { DataSection } from "./data-section.tsx";
import { keepFocus } from "./keep-focus.ts";
import { chooseModel, ModelSection } from "./model-section.tsx";
import { pageModel } from "./page-model.ts";
import { PlanSection } from "./plan-section.tsx";
import { SavedRunOffer } from "./saved-run.tsx";
import { engine, keptModels, savedIndex, savedRun } from "./store.ts";
import { TrainSection } from "./train-section.tsx";
import { UseSection } from "./use-section.tsx";

function App() {
  return (
    <>
      <header>
        <h1>Teach a model your own text</h1>
        <p>
          Bring a spreadsheet of questions and answers, or a folder of notes. Leave with a model that finds what you mean in them. All of it
          happens in this browser: <strong>nothing is sent anywhere</strong>.
        </p>
      </header>
      <main>
        <SavedRunOffer />
        <ModelSection />
        <DataSection />
        <PlanSection />
        <TrainSection />
        <UseSection />
      </main>
      <footer>
        <a href="./under-the-hood/">Under the hood</a>
      </footer>
    </>
  );
}

async function start(): Promise<void> {
  render(<App />, document.querySelector("#app")!);
  keepFocus();
  keptModels.value = await engine.keptModels(null).catch(() => []);
  savedIndex.value = await engine.savedIndex(null).catch(() => null);
  savedRun.value = await engine.savedRun(null).catch(() => null);
  if (savedRun.value === null && pageModel !== null) await chooseModel({ kind: "page" });
}

void start();
