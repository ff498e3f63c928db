/**
 * The official tokenizers library, in Rust, as WebAssembly (`@mlc-ai/web-tokenizers`, tokenizers 0.21). It is 4.7 MB and loaded when the
 * first definition needs it.
 *
 * It adds no special tokens, but truncates and pads as the file says, so the file is passed without truncation and padding.
 */
import { DataError, FormatError, PackageError, SimcseError } from "../../errors.ts";
import { installing } from "../../optional-package.ts";
import { show } from "../../show.ts";
import type { TokenizerDefinition } from "./definition.ts";
import { type TokenizerEngine, wellFormed } from "./engine.ts";
import { cutBefore, looksNoFurther } from "./prefix.ts";

/** The used part of the package; its own declarations cannot be resolved under Node's module rules. */
interface OfficialTokenizer {
  encode(text: string): Int32Array;
  decode(ids: Int32Array): string;
  dispose(): void;
}

interface OfficialLibrary {
  fromJSON(json: ArrayBuffer): Promise<OfficialTokenizer>;
}

/** Characters of a text that are read first, per requested id; most tokens have fewer. */
const FIRST_LENGTH = 8;

/** The library's console output since it was last read: a panic reports its reason there. */
const complaints: string[] = [];

let library: Promise<OfficialLibrary> | undefined;

/**
 * Each failure (a panic in Rust) takes some of the library's stack for good. After some 170 there is none left, and other data is
 * overwritten. Long before that, it is used no more.
 */
const MAX_FAILURES = 32;

let failures = 0;

/**
 * Frees WebAssembly's memory, which is not garbage-collected with the object that uses it. After a failure it stays: freeing it may trap,
 * which would end the process.
 */
const unused = new FinalizationRegistry<OfficialTokenizer>((tokenizer) => failures === 0 && tokenizer.dispose());

/** Throws FormatError, naming the file, when the library does not accept the definition. */
export async function openOfficialEngine(file: string, definition: TokenizerDefinition): Promise<TokenizerEngine> {
  checkSound(file);
  const { fromJSON } = await loadLibrary();
  const json = new TextEncoder().encode(JSON.stringify({ ...definition, truncation: null, padding: null }));
  try {
    const tokenizer = await fromJSON(json.buffer);
    const engine = new OfficialEngine(file, tokenizer, definition);
    unused.register(engine, tokenizer);
    checkFound(file, engine, definition);
    return engine;
  } catch (cause) {
    if (cause instanceof SimcseError) throw cause;
    failures++;
    throw new FormatError(`${file}: the official tokenizers library refuses it${complaint()}`, "Get the file of the model again.", {
      cause,
    });
  }
}

/**
 * Throws FormatError for an added token that is not found in its own normalised text. The normaliser makes it empty or equal to another
 * one, and versions of the library then differ.
 */
function checkFound(file: string, engine: TokenizerEngine, { normalizer, added_tokens }: TokenizerDefinition): void {
  if (normalizer === null) return;
  const holdsAnother = (content: string) => added_tokens.some((other) => other.content !== content && content.includes(other.content));
  for (const [index, { content, id, normalized }] of added_tokens.entries()) {
    if (!normalized || holdsAnother(content) || engine.encode(content, Number.MAX_SAFE_INTEGER).includes(id)) continue;
    throw new FormatError(
      `${file}: added_tokens[${index}] is ${show(content)}, which the normalizer makes empty or the same as another token`,
      "Set its normalized to false, or remove it.",
    );
  }
}

class OfficialEngine implements TokenizerEngine {
  readonly #special: ReadonlySet<number>;
  readonly #mayCut: boolean;

  constructor(
    private readonly file: string,
    private readonly tokenizer: OfficialTokenizer,
    definition: TokenizerDefinition,
  ) {
    this.#mayCut = looksNoFurther(definition);
    this.#special = new Set(definition.added_tokens.filter(({ special }) => special).map(({ id }) => id));
  }

  encode(text: string, limit: number): number[] {
    const given = wellFormed(text);
    for (let length = FIRST_LENGTH * limit; this.#mayCut && length < given.length; length *= 4) {
      const cut = cutBefore(given, length);
      if (cut === -1) continue;
      const ids = this.#encoded(given.slice(0, cut));
      if (ids.length >= limit) return [...ids.subarray(0, limit)];
    }
    return [...this.#encoded(given).subarray(0, limit)];
  }

  #encoded(text: string): Int32Array {
    return this.#asked(() => this.tokenizer.encode(text));
  }

  decode(ids: readonly number[]): string {
    return this.#asked(() => this.tokenizer.decode(Int32Array.from(ids.filter((id) => !this.#special.has(id)))));
  }

  #asked<T>(ask: () => T): T {
    checkSound(this.file);
    try {
      return ask();
    } catch (cause) {
      failures++;
      throw new DataError(
        `${this.file}: the official tokenizers library fails on a text${complaint()}`,
        "Leave out the text, or use another tokenizer.",
        {
          cause,
        },
      );
    }
  }
}

function checkSound(file: string): void {
  if (failures < MAX_FAILURES) return;
  throw new DataError(
    `${file}: the official tokenizers library has failed ${failures} times, and might give wrong ids after more`,
    "Start the program again, without these texts or with another tokenizer.",
  );
}

function complaint(): string {
  const panic = complaints.find((line) => /^called|Error\(|not |must /.test(line));
  complaints.length = 0;
  return panic === undefined ? "" : `: ${panic.replace(/^called `Result::unwrap\(\)` on an `Err` value: /, "")}`;
}

function loadLibrary(): Promise<OfficialLibrary> {
  library ??= importLibrary();
  return library;
}

/**
 * The package is a script for browsers. Elsewhere it asks for its address and puts its exports into the global scope. Its console output is
 * captured, because a panic reports its reason there.
 */
async function importLibrary(): Promise<OfficialLibrary> {
  const scope = globalThis as { location?: { href: string }; tokenizers?: { Tokenizer: OfficialLibrary } };
  const { error } = console;
  const hasLocation = "location" in scope;
  if (!hasLocation) scope.location = { href: import.meta.url };
  console.error = (...line: unknown[]) => complaints.push(line.join(" "));
  try {
    const module = (await import("@mlc-ai/web-tokenizers")) as { Tokenizer?: OfficialLibrary; default?: { Tokenizer?: OfficialLibrary } };
    const Tokenizer = module.Tokenizer ?? module.default?.Tokenizer ?? scope.tokenizers!.Tokenizer;
    // The first tokenizer creates the instance, which keeps the console that it finds.
    (await Tokenizer.fromJSON(new TextEncoder().encode(SMALLEST).buffer)).dispose();
    return { fromJSON: (json) => Tokenizer.fromJSON(json) };
  } catch (cause) {
    library = undefined;
    throw new PackageError(
      "The package @mlc-ai/web-tokenizers is needed for this kind of tokenizer, and cannot be loaded.",
      `Run \`${installing("@mlc-ai/web-tokenizers")}\`.`,
      { cause },
    );
  } finally {
    console.error = error;
    if (!hasLocation) delete scope.location;
  }
}

const SMALLEST = '{"version":"1.0","model":{"type":"WordLevel","vocab":{"a":0},"unk_token":"a"}}';
