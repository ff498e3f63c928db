/** A text classifier: the mean of word vectors and one layer. It learns which reviews are good. Run it with `npx tsx examples/text-classifier.ts`. */
import * as nn from "simcse-webgpu";

const { crossEntropy, dropout, gatherRows, mean, pool, softmax, u32 } = nn;

const [batchSize, longest, steps] = [32, 8, 150];
const words = {
  subject: ["the film", "the plot", "her acting", "the music", "that ending", "every scene"],
  good: ["superb", "moving", "clever", "a delight", "beautiful", "brilliant"],
  bad: ["dull", "clumsy", "a mess", "tedious", "hollow", "awful"],
  filler: ["was", "is", "really", "truly", "simply", "so"],
};
const vocabulary = [...new Set(Object.values(words).flat().join(" ").split(" "))];

class Classifier {
  readonly words = new nn.Parameter([vocabulary.length, 16], { normal: 0.1 });
  readonly output = new nn.Linear(16, 2, 0.1);

  /** Two logits per text [texts, 2]; the words of all texts are rows, one text after another. */
  forward(tape: nn.Tape, dropoutProbability: number) {
    const numbers = tape.input("words", u32(tape.extent("words", batchSize * longest)));
    const texts = tape.input("texts", u32(tape.extent("texts", batchSize), 2));
    const meaning = pool(gatherRows(this.words, numbers), { sentences: texts }, "mean");
    return this.output.forward(dropout(meaning, dropoutProbability));
  }
}

await using device = await nn.openDevice();
const model = new Classifier();
const store = await nn.ParameterStore.allocate(device, model, { training: true });
store.initialize(7);

const training = await nn.compile(device, (tape) => {
  const logits = model.forward(tape, 0.2);
  const loss = mean(crossEntropy(logits, { labels: tape.input("labels", u32(tape.extent("texts", batchSize))) }));
  nn.adamWStep(tape, loss, store.layout);
  return { loss };
});
const prediction = await nn.compile(device, (tape) => ({ probabilities: softmax(model.forward(tape, 0)) }));

for (let step = 1; step <= steps; step++) {
  const reviews = Array.from({ length: batchSize }, review);
  const { inputs, live } = batchOf(reviews.map(({ text }) => text));
  const labels = Uint32Array.from(reviews, ({ label }) => label);
  training.run({ inputs: { ...inputs, labels }, live, scalars: { learningRate: 2e-2 }, step });
  if (step % 50 === 0) console.log(`step ${step}: loss ${(await training.read("loss"))[0]!.toFixed(4)}`);
}

const texts = ["the music was beautiful", "so clumsy a plot", "brilliant", "that ending is truly awful"];
prediction.run(batchOf(texts));
const probabilities = await prediction.read("probabilities");
for (const [i, text] of texts.entries()) console.log(`${text}: ${(100 * probabilities[2 * i + 1]!).toFixed(0)}% good`);

/** Words as indices into the vocabulary, and the start and length of each text. */
function batchOf(texts: readonly string[]) {
  const numbers = texts.map((text) => text.split(" ").map((word) => vocabulary.indexOf(word)));
  const starts = numbers.map((_, i) => numbers.slice(0, i).flat().length);
  const rows = Uint32Array.from(numbers.flatMap(({ length }, i) => [starts[i]!, length]));
  return { inputs: { words: Uint32Array.from(numbers.flat()), texts: rows }, live: { words: numbers.flat().length, texts: texts.length } };
}

/** A review, and 1 if it is good. */
function review() {
  const any = (choices: readonly string[]) => choices[Math.floor(Math.random() * choices.length)]!;
  const label = Math.round(Math.random());
  return { text: [any(words.subject), any(words.filler), any(words.filler), any(label === 1 ? words.good : words.bad)].join(" "), label };
}
