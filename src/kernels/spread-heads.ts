/**
 * Grouped-query attention (Ainslie et al. 2023): several heads of queries share a head of keys and one of values. Each of these is repeated
 * for the queries that share it, so that attention finds as many heads of all three:
 *
 *     query [heads], key and value [groups]  →  query, key, value [3 · heads]
 *
 * The gradient of a shared head is the sum over its repetitions, in a fixed order.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { vectorWidth } from "./language/kernel.ts";
import { expectType, formatShape, type Operation, type Type, type Value } from "./language/operation.ts";
import { vectorLowering } from "./language/vectors.ts";
import { slice } from "./slice.ts";

interface Attributes {
  /** Heads of queries. */
  readonly heads: number;
  /** Heads of keys, and of values. */
  readonly groups: number;
}

/** The width of vectors in one of the `count` heads that lie side by side, and how many vectors it has. */
function headVectors({ shape }: Type, count: number) {
  const size = (shape[1] as number) / count;
  const run = vectorWidth(size);
  return { run, vectors: size / run };
}

const operation: Operation<Attributes> = {
  name: "spreadHeads",
  infer([query, pair], { heads, groups }) {
    const [rows, width] = query!.shape;
    expectType("spreadHeads", "query", query!, "float", [rows!, null]);
    if (typeof width !== "number" || width % heads !== 0 || heads % groups !== 0) {
      throw new ShapeError(
        `spreadHeads: ${formatShape(query!.shape)} does not divide into ${heads} heads, ${groups} of which are those of keys and values.`,
        "Choose num_attention_heads so that it divides hidden_size, and num_key_value_heads so that it divides num_attention_heads.",
      );
    }
    expectType("spreadHeads", "key and value", pair!, query!.dtype === "u32" ? "float" : query!.dtype, [
      rows!,
      (2 * groups * width) / heads,
    ]);
    return [{ dtype: query!.dtype, shape: [rows!, 3 * width] }];
  },
  lower({ inputs: [query, pair], outputs: [qkv], attributes: { heads, groups } }) {
    const { run, vectors } = headVectors(query!, heads);
    return vectorLowering({
      label: "spreadHeads",
      over: qkv!,
      run,
      reads: { query: query!, pair: pair! },
      writes: { qkv: qkv! },
      main: () => wgsl`let head = column / ${vectors}u;
  if (head < ${heads}u) { setQkv(index, query(row * ${heads * vectors}u + column)); return; }
  let part = head / ${heads}u - 1u;
  let source = part * ${groups}u + head % ${heads}u / ${heads / groups}u;
  setQkv(index, pair((row * ${2 * groups}u + source) * ${vectors}u + column % ${vectors}u));`,
    });
  },
  gradient({ inputs: [query, pair], attributes }, [dQkv]) {
    if (!dQkv) return [null, null];
    const width = query!.shape[1] as number;
    return [slice(dQkv, 1, 0, width), dQkv.tape.append(pairGradient, [dQkv, pair!], attributes)[0]!];
  },
};

const pairGradient: Operation<Attributes> = {
  name: "spreadHeadsGradient",
  infer: ([, pair]) => [pair!],
  lower({ inputs: [dQkv], outputs: [dPair], attributes: { heads, groups } }) {
    const { run, vectors } = headVectors(dPair!, 2 * groups);
    const share = heads / groups;
    return vectorLowering({
      label: "spreadHeadsGradient",
      over: dPair!,
      run,
      reads: { dQkv: dQkv! },
      writes: { dPair: dPair! },
      main: () => wgsl`let source = column / ${vectors}u;
  let first = (source / ${groups}u + 1u) * ${heads}u + source % ${groups}u * ${share}u;
  var sum = T();
  for (var head = first; head < first + ${share}u; head++) { sum += dQkv((row * ${3 * heads}u + head) * ${vectors}u + column % ${vectors}u); }
  setDPair(index, sum);`,
    });
  },
};

/**
 * Query, key and value side by side [tokens, 3·heads·size], from `query` f32 or f16 [tokens, heads·size] and `pair` [tokens, 2·groups·size],
 * key and value side by side. The first heads/groups heads of queries share the first head of keys and of values, and so on.
 */
export function spreadHeads(query: Value, pair: Value, attributes: Attributes): Value {
  return query.tape.append(operation, [query, pair], attributes)[0]!;
}
