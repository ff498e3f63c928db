/**
 * Rotary position embedding (Su et al. 2021) of the queries and keys of a packed batch. Each head's two halves are the coordinates of as
 * many points, which turn by an angle that grows with the token's position, and faster for the first of them:
 *
 *     angleᵢ = position · theta^(−2i / headSize) / factor;  (x, y) → (x·cos − y·sin, y·cos + x·sin)
 *
 * Values stay as they are. The gradient turns back by the same angles.
 *
 * WGSL allows its own sin and cos an error of 2⁻¹¹. These reduce the angle in three parts (Cody & Waite) and use the polynomials of Cephes
 * (Moshier): f32 rounding for the angles of up to 8,192 positions. The angle itself is an f32 product, as in PyTorch.
 */
import { ShapeError } from "../errors.ts";
import { wgsl } from "../gpu/shader.ts";
import { tokenField, tokenTable } from "./batch.ts";
import { paramU32, pointKernel } from "./language/kernel.ts";
import { expectType, f32, type Operation, type Value } from "./language/operation.ts";

/** How fast the points turn. */
export interface Rotation {
  /** The base of the angles. */
  readonly theta: number;
  /** What every angle is divided by; 1 if absent. */
  readonly factor?: number;
}

interface Attributes extends Rotation {
  readonly heads: number;
  /** Whether to turn by the negative angles, as a gradient does. */
  readonly back: boolean;
}

/** The angles of each of a head's points at position 1, as f32 numbers. */
export function rotaryFrequencies(points: number, { theta, factor = 1 }: Rotation): number[] {
  return Array.from({ length: points }, (_, i) => Math.fround(theta ** (-i / points) / factor));
}

const turns = wgsl`
/** sin and cos of each element, x being an angle of at least 0. */
fn turn(x: vec4f) -> array<vec4f, 2> {
  let quarter = floor(x * 0.63661977 + 0.5);
  let r = ((x - quarter * 1.5703125) - quarter * 4.837512969970703125e-4) - quarter * 7.54978995489188216e-8;
  let z = r * r;
  let sine = r + r * z * (-1.6666654611e-1 + z * (8.3321608736e-3 - z * 1.9515295891e-4));
  let cosine = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  let q = vec4u(quarter) % 4u;
  let swapped = q % 2u == vec4u(1u);
  let s = select(sine, cosine, swapped);
  let c = select(cosine, sine, swapped);
  return array<vec4f, 2>(select(s, -s, q >= vec4u(2u)), select(c, -c, (q + 1u) % 4u >= vec4u(2u)));
}
`;

const operation: Operation<Attributes> = {
  name: "rotary",
  infer([qkv, tokens], { heads }) {
    const [rows, width] = qkv!.shape;
    expectType("rotary", "qkv", qkv!, "float", [rows!, null]);
    expectType("rotary", "tokens", tokens!, "u32", tokenTable(rows!).shape);
    if (typeof width !== "number" || width % (3 * heads * 8) !== 0) {
      throw new ShapeError(
        `rotary: a width of ${width} does not divide into query, key and value of ${heads} heads of a multiple of 8.`,
        "Choose num_attention_heads so that hidden_size / num_attention_heads is a multiple of 8.",
      );
    }
    return [qkv!];
  },
  lower({ inputs: [qkv, tokens], outputs: [turned], attributes: { heads, back, ...rotation } }) {
    const half = (qkv!.shape[1] as number) / (6 * heads);
    const frequencies = rotaryFrequencies(half, rotation);
    const quads = half / 4;
    const vectors = Array.from({ length: quads }, (_, i) => `vec4f(${frequencies.slice(4 * i, 4 * i + 4).join(", ")})`);
    return {
      variant: `heads of ${2 * half}`,
      kernels: [
        pointKernel({
          label: "rotary",
          over: f32(qkv!.shape[0]!, half),
          width: 4,
          reads: { qkv: [qkv!, "vec4f"], tokens: [tokens!, "vec4u"] },
          writes: { turned: [turned!, "vec4f"] },
          // Counts that the compiler does not know: it would unroll the loops.
          params: { heads: paramU32(heads) },
          declarations: `const frequencies = array<vec4f, ${quads}>(${vectors.join(", ")});\n${turns}`,
          main: wgsl`let angles = turn(f32(tokens[row].${tokenField.position}) * frequencies[column]);
  let sine = ${back ? "-" : ""}angles[0];
  let cosine = angles[1];
  for (var head = 0u; head < 3u * params.heads; head++) {
    let at = (row * ${3 * heads}u + head) * ${2 * quads}u + column;
    let x = qkv(at);
    let y = qkv(at + ${quads}u);
    let isValue = head >= 2u * params.heads;
    setTurned(at, select(x * cosine - y * sine, x, isValue));
    setTurned(at + ${quads}u, select(y * cosine + x * sine, y, isValue));
  }`,
        }),
      ],
    };
  },
  gradient: ({ inputs: [, tokens], attributes }, [dTurned]) =>
    dTurned ? [dTurned.tape.append(operation, [dTurned, tokens!], { ...attributes, back: !attributes.back })[0]!, null] : [],
};

/**
 * `qkv` f32 or f16 [tokens, 3·hiddenSize] (query, key, value side by side, heads within each) with queries and keys turned. `tokens` is the
 * batch's token table u32 [tokens, 4], whose positions count from 0.
 */
export function rotary(qkv: Value, tokens: Value, options: Rotation & { readonly heads: number }): Value {
  return qkv.tape.append(operation, [qkv, tokens], { ...options, back: false })[0]!;
}
