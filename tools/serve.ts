/** `simcse serve`: embeddings as OpenAI's API has them, and a search page, until a signal stops it. */
import { extname } from "node:path";
import { Command, InvalidArgumentError, Option } from "commander";
import { OptionError } from "../src/errors.ts";
import { sentencesOf } from "../src/io/text-node.ts";
import { defaultModel } from "../src/simcse/checkpoint/default-model.ts";
import { collected } from "../src/simcse/embedding/chunks.ts";
import type { SimCSE } from "../src/simcse/simcse-node.ts";
import { namedModel } from "./cli/find-model.ts";
import { onInterrupt } from "./cli/interrupt.ts";
import { type ModelOptions, modelOptions, openModel } from "./cli/open-model.ts";
import { flag, numberBetween, wholeNumber, withOptions } from "./cli/options.ts";
import { servedNames } from "./server/served-names.ts";

interface ServeOptions extends ModelOptions {
  readonly host: string;
  readonly port: number;
  readonly index?: string;
  readonly examples?: string;
  readonly accept_token_ids?: boolean;
  readonly cors_origin?: string[];
  readonly allowed_host?: string[];
  readonly drain_seconds: number;
  readonly served_model_name?: [string, ...string[]];
  readonly api_key?: string;
  readonly max_queue: number;
  readonly max_inputs: number;
  readonly max_characters: number;
  readonly max_body_bytes: number;
}

const options: readonly Option[] = [
  ...modelOptions,
  new Option("--port <n>", "port; 0 for any free port").argParser(wholeNumber(0, 65_535)).default(8000),
  new Option("--host <address>", "address to listen on; 0.0.0.0 for all addresses of this machine").argParser(bare).default("127.0.0.1"),
  new Option("--index <file>", "index file to search, or a .txt file with one sentence per line"),
  new Option("--examples <file>", "example queries for the page, one per line (default: some sentences of the index)"),
  new Option(
    "--served_model_name <name...>",
    "names of the model in requests (default: the name of its folder, and its whole name on the hub)",
  ),
  new Option("--api_key <key>", "key that clients must send; safer in the environment, where other users do not see it").env(
    "SIMCSE_API_KEY",
  ),
  flag("accept_token_ids", "accept token ids from OpenAI's client libraries too; they must come from the model's own tokenizer"),
  new Option(
    "--cors_origin <origin...>",
    "origins whose pages may send requests, such as https://example.com, or * for all (default: none)",
  ).argParser((text: string, before: readonly string[] = []) => [...before, parseOrigin(text)]),
  new Option(
    "--allowed_host <name...>",
    "host names that requests may use, beside localhost and addresses (default: no other on a loopback address, otherwise any)",
  ),
  new Option("--drain_seconds <n>", "seconds that /healthz returns 503 before the port closes")
    .argParser(numberBetween(0, 3600))
    .default(1),
  new Option("--max_queue <n>", "inputs that may wait before further requests get 429").argParser(wholeNumber(1)).default(8192),
  new Option("--max_inputs <n>", "maximum inputs per request").argParser(wholeNumber(1)).default(2048),
  new Option("--max_characters <n>", "maximum characters per input").argParser(wholeNumber(1)).default(50_000),
  new Option("--max_body_bytes <n>", "maximum bytes of a request's body").argParser(wholeNumber(1)).default(2 ** 21),
];

export const serveCommand = withOptions(
  new Command("serve").description("serve embeddings (as OpenAI's API) and search over HTTP"),
  options,
).action(runServer);

/** What an HTTP header can carry: characters of ASCII that can be seen, and spaces between them. */
const headerText = /^[\x21-\x7e]+( +[\x21-\x7e]+)*$/;

/** Milliseconds that requests in flight have to finish at shutdown. */
const grace = 30_000;

/** Number of examples taken from the index if none are given. */
const usualExamples = 8;

const log = (line: string): void => void process.stderr.write(`${line}\n`);

async function runServer(given: ServeOptions): Promise<void> {
  if (given.max_inputs > given.max_queue)
    throw new OptionError(
      `--max_inputs ${given.max_inputs} is more than --max_queue ${given.max_queue} holds.`,
      "Raise --max_queue, or lower --max_inputs.",
    );
  if (given.api_key === "")
    throw new OptionError("The key for clients is empty.", "Give a key, or leave --api_key and SIMCSE_API_KEY out.");
  if (given.api_key !== undefined && !headerText.test(given.api_key))
    throw new OptionError(
      "No client could send the key: it begins or ends with white space, or has other characters than ASCII's.",
      "Remove the line end that the file or the secret ends with, or choose another key.",
    );
  await using open = await openModel(given);
  const { simcse, device } = open;
  if (given.index !== undefined) await openIndex(simcse, given.index);
  // Loaded here, so that no other command waits for a server's libraries.
  const [{ createApp }, { serveHttp }] = await Promise.all([import("./server/app.ts"), import("./server/serve-http.ts")]);
  const app = createApp({
    model: simcse,
    names: given.served_model_name ?? servedNames(namedModel(given) ?? defaultModel.name),
    searchable: given.index !== undefined,
    examples: await examplesOf(simcse, given),
    limits: { inputs: given.max_inputs, characters: given.max_characters, bodyBytes: given.max_body_bytes, waiting: given.max_queue },
    apiKey: given.api_key,
    corsOrigins: given.cors_origin,
    ...hostsOf(given),
    acceptTokenIds: given.accept_token_ids ?? false,
    log,
  });
  const server = await serveHttp(app, given.host, given.port, log);
  log(`serving on ${server.url} with ${device.name}${given.index === undefined ? "" : `; ${simcse.index.length} sentences to search`}`);
  const lost = device.lost.then(({ message }) => `the device was lost: ${message}`);
  const told = new Promise<null>((resolve) => onInterrupt(() => resolve(null)));
  const reason = await Promise.race([told, lost]);
  log(reason ?? "shutting down: answering the requests in flight");
  await server.stop({ grace, drain: reason === null ? given.drain_seconds * 1000 : 0 });
  if (reason !== null) process.exitCode = 1;
}

/** On a loopback address the server answers only to localhost and to addresses; elsewhere to any name, unless some are given. */
function hostsOf({ host, allowed_host = [] }: ServeOptions): { hosts?: string[] } {
  const isLoopback = host === "localhost" || host === "::1" || /^127\./.test(host);
  if (!isLoopback && allowed_host.length === 0) return {};
  return { hosts: [host, ...allowed_host] };
}

async function openIndex(simcse: SimCSE, path: string): Promise<void> {
  if (extname(path) !== ".txt") return simcse.loadIndex(path);
  log(`building an index of ${path}`);
  await simcse.buildIndex(sentencesOf(path));
}

async function examplesOf(simcse: SimCSE, { examples, index }: ServeOptions): Promise<string[]> {
  if (examples !== undefined) return collected(sentencesOf(examples));
  if (index === undefined) return [];
  const { entries, length } = simcse.index;
  const count = Math.min(usualExamples, length);
  return Array.from({ length: count }, (_, i) => entries[Math.floor((i * length) / count)]!.sentence);
}

/** An address of IPv6 may have the brackets that it has in a URL. */
function bare(address: string): string {
  return address.replace(/^\[(.*)\]$/, "$1");
}

/** An origin as browsers send it. */
function parseOrigin(text: string): string {
  if (text === "*") return text;
  const origin = URL.canParse(text) ? new URL(text).origin : "null";
  if (origin !== "null" && [origin, `${origin}/`].includes(text.toLowerCase())) return origin;
  throw new InvalidArgumentError("Give a scheme and a host, such as https://example.com or http://localhost:3000, or * for all.");
}
