/** The search box that appears once a model is trained. Sentences are embedded with the first search. */
import type { Device } from "../../src/gpu/device.ts";
import { type SearchResult, SentenceIndex } from "../../src/simcse/search/sentence-index.ts";
import type { DemoTrainingResult } from "./demo-training.ts";
import { byId, make } from "./dom.ts";
import { searchExamples } from "./toy/corpus.ts";

/** Number of matches shown, and number of example searches. */
const shown = { matches: 5, examples: 4 };

const section = byId("search-section", HTMLElement);
const explanation = byId("search-explanation", HTMLParagraphElement);
const form = byId("search-form", HTMLFormElement);
const query = byId("query", HTMLInputElement);
const stage = byId("search-stage", HTMLOutputElement);
const exampleList = byId("search-examples", HTMLParagraphElement);
const matchList = byId("matches", HTMLOListElement);

export interface SearchOptions {
  /** The sentences to search, including those that the examples are about. */
  readonly sentences: number;
  /** Runs a search while nothing else runs, and shows errors. */
  readonly exclusively: (work: () => Promise<void>) => Promise<void>;
}

let index: SentenceIndex | null = null;

/** Offers a search with a trained model, on its device. */
export function offerSearch(device: Device, { encoder, sentences }: DemoTrainingResult, options: SearchOptions): void {
  const examples = searchExamples();
  const answers = new Set(examples.map(({ answer }) => answer));
  const searched = [...answers, ...sentences.filter((sentence) => !answers.has(sentence))].slice(0, options.sentences);

  const buildIndex = async () => {
    const onProgress = (done: number) => {
      stage.textContent = `Reading the sentences: ${Math.floor((100 * done) / searched.length)}%`;
    };
    const built = new SentenceIndex(device, encoder.dimension);
    await built.add(searched, (await encoder.encode(searched, { onProgress })).data);
    return built;
  };
  const run = () =>
    options.exclusively(async () => {
      index ??= await buildIndex();
      const [matches] = await index.search((await encoder.encode([query.value])).data, { topK: shown.matches, threshold: -1 });
      showMatches(matches!);
      stage.textContent = "";
    });
  form.onsubmit = (event) => {
    event.preventDefault();
    if (query.value.trim() !== "") void run();
  };
  const buttons = examples.slice(0, shown.examples).map((example) => {
    const button = make("button", example.query, "example");
    button.type = "button";
    button.onclick = () => {
      query.value = example.query;
      void run();
    };
    return button;
  });
  explanation.textContent = `Ask the model for the nearest of ${searched.length.toLocaleString("en")} training sentences, in your own words or with one of these, each of which says in other words what one of the sentences says.`;
  exampleList.replaceChildren(...buttons);
  matchList.replaceChildren();
  section.hidden = false;
}

/** Removes the search, because its model is gone. */
export function withdrawSearch(): void {
  index?.close();
  index = null;
  section.hidden = true;
}

function showMatches(matches: readonly SearchResult[]): void {
  matchList.replaceChildren(
    ...matches.map(({ sentence, score }) => {
      const item = make("li");
      item.append(make("span", score.toFixed(3), "cosine"), make("span", sentence));
      return item;
    }),
  );
}
