/** An autoencoder: pictures of 8×8 pixels through a bottleneck of three numbers. Run it with `npx tsx examples/autoencoder.ts`. */
import { adamWStep, compile, f32, Linear, mean, openDevice, ParameterStore, relu, sigmoid, squaredError, type Value } from "simcse-webgpu";

const [side, batchSize, steps] = [8, 64, 400];

class Autoencoder {
  // Inputs, outputs, standard deviation of the initial weights.
  readonly encoder = [new Linear(side * side, 32, 0.2), new Linear(32, 3, 0.2)] as const;
  readonly decoder = [new Linear(3, 32, 0.4), new Linear(32, side * side, 0.2)] as const;

  encode(pictures: Value): Value {
    return this.encoder[1].forward(relu(this.encoder[0].forward(pictures)));
  }

  decode(codes: Value): Value {
    return sigmoid(this.decoder[1].forward(relu(this.decoder[0].forward(codes))));
  }
}

await using device = await openDevice();
const model = new Autoencoder();
const store = await ParameterStore.allocate(device, model, { training: true });
store.initialize(42);

const program = await compile(device, (tape) => {
  const pictures = tape.input("pictures", f32(batchSize, side * side));
  const copies = model.decode(model.encode(pictures));
  const loss = mean(squaredError(copies, pictures));
  adamWStep(tape, loss, store.layout);
  return { loss, copies };
});

let pictures = blobs();
for (let step = 1; step <= steps; step++) {
  pictures = blobs();
  program.run({ inputs: { pictures }, scalars: { learningRate: 5e-3 } });
  if (step === 1 || step % 100 === 0) console.log(`step ${step}: loss ${(await program.read("loss"))[0]!.toFixed(4)}`);
}

const copies = await program.read("copies");
const draw = (row: Float32Array) => Array.from(row, (v) => " ░▒▓█"[Math.min(4, Math.floor(v * 5))]);
for (let y = 0; y < side; y++) {
  const line = (picture: Float32Array) => draw(picture.subarray(y * side, (y + 1) * side)).join("");
  console.log(`${line(pictures)}  →  ${line(copies)}`);
}

/** A batch of pictures, each a blob with its own place and width, so three numbers describe it. */
function blobs(): Float32Array {
  const between = (low: number, high: number) => low + (high - low) * Math.random();
  return Float32Array.from(
    Array.from({ length: batchSize }, () => {
      const [x, y, width] = [between(1, side - 2), between(1, side - 2), between(1, 2.5)];
      const at = (p: number) => Math.exp(-(((p % side) - x) ** 2 + (Math.floor(p / side) - y) ** 2) / width ** 2);
      return Array.from({ length: side * side }, (_, p) => at(p));
    }).flat(),
  );
}
