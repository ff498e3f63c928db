/** Clients of bench/serve.ts, in a separate process: each sends its next request as soon as it is answered, until the time is over. Prints the results as JSON. */
import { Agent, request } from "node:http";
import { quantile } from "./quantile.ts";
import { benchSentence } from "./sentences.ts";

const [url, clients, sentences, seconds] = process.argv.slice(2) as [string, string, string, string];
const agent = new Agent({ keepAlive: true, maxSockets: Number(clients) });

function ask(body: string): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/v1/embeddings`, { method: "POST", agent, headers: { "Content-Type": "application/json" } }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

const until = performance.now() + Number(seconds) * 1000;
const result = { answered: 0, lost: 0, latencies: [] as number[] };

async function client(number: number): Promise<void> {
  for (let round = 0; performance.now() < until; round++) {
    const input = Array.from({ length: Number(sentences) }, (_, i) => benchSentence(number * 1009 + round * 31 + i));
    const began = performance.now();
    const { status, text } = await ask(JSON.stringify({ model: "bench", input, encoding_format: "base64" }));
    result.latencies.push(performance.now() - began);
    const got = status === 200 ? (JSON.parse(text) as { data: unknown[] }).data.length : 0;
    result.answered += got;
    result.lost += input.length - got;
  }
}

const began = performance.now();
await Promise.all(Array.from({ length: Number(clients) }, (_, number) => client(number)));
const elapsed = (performance.now() - began) / 1000;
agent.destroy();
console.log(
  JSON.stringify({
    rate: result.answered / elapsed,
    answered: result.answered,
    lost: result.lost,
    p50: quantile(result.latencies, 0.5),
    p99: quantile(result.latencies, 0.99),
  }),
);
