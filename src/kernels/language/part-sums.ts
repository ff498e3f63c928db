/**
 * Adds up the parts of several results in one dispatch, in a fixed order: those of split products, and the sums of chunks of rows. A kernel
 * that does nothing but add up parts declares it (`Kernel.joins`), so that the planner can put several into this one (`autograd/joins.ts`).
 */
import { range, wgsl } from "../../gpu/shader.ts";
import { kernel, paramU32 } from "./kernel.ts";
import { capacity, type Join, type Kernel, type Persistent, type Tensor } from "./operation.ts";

/** A join whose output is a part of `target`, `offset` bytes from its beginning. */
export interface GroupedJoin extends Join {
  readonly target: Persistent;
  readonly offset: number;
}

const threads = 256;
/** Vectors of four columns of a workgroup where there are many parts: 32 threads share a vector's parts, and a tree joins them. */
const vectors = 8;
/** The most parts that one thread adds up. */
const few = 32;

const most = ({ parts }: Join) => (typeof parts === "number" ? parts : Math.ceil(capacity(parts.of) / parts.size));

/** The fields of a join in the kernel's parameters, in vectors of four numbers. */
const fields = ["rows", "columns", "first", "stride", "plane", "parts", "word", "size", "place", "arena"] as const;

/** The kernel that does several joins, whose sums all lie in `sums`. A workgroup has one join and some of its vectors. */
export function joinTogether(sums: Tensor, joins: readonly GroupedJoin[]): Kernel {
  const targets = [...new Set(joins.map(({ target }) => target))];
  const numbers = joins.map((join): Record<(typeof fields)[number], number> => {
    const { parts } = join;
    const [fixed, word, size] =
      typeof parts === "number"
        ? [parts, 0, 1]
        : typeof parts.of === "number"
          ? [Math.ceil(parts.of / parts.size), 0, 1]
          : [0, parts.of.word, parts.size];
    return {
      rows: join.rows,
      columns: join.columns / 4,
      first: join.first / 4,
      stride: join.stride / 4,
      plane: join.plane / 4,
      parts: fixed,
      word,
      size,
      place: join.offset / 16 + join.outputFirst / 4,
      arena: targets.indexOf(join.target),
    };
  });
  const perGroup = (join: Join) => (most(join) > few ? vectors : threads);
  const groups = Math.max(...joins.map((join) => Math.ceil((join.rows * join.columns) / 4 / perGroup(join))));
  const isTree = joins.map((join) => (most(join) > few ? 1 : 0));
  return kernel({
    label: "joins",
    workgroupSize: [threads],
    reads: { sums: [sums, "vec4f"] },
    writes: Object.fromEntries(targets.map((target, i) => [`target${i}`, [target, "vec4f"] as const])),
    params: Object.fromEntries(
      numbers.flatMap((own, i) => [
        ...fields.map((field) => [`${field}${i}`, paramU32(own[field])] as const),
        [`tree${i}`, paramU32(isTree[i]!)] as const,
      ]),
    ),
    declarations: wgsl`struct Join { ${[...fields, "tree"].map((field) => `${field}: u32`).join(", ")} }
var<workgroup> part: array<vec4f, ${threads}>;
fn joinOf(number: u32) -> Join {
  switch number {
    ${range(joins.length - 1)
      .map((i) => `case ${i}u: { return Join(${[...fields, "tree"].map((field) => `params.${field}${i}`).join(", ")}); }`)
      .join("\n    ")}
    default: { return Join(${[...fields, "tree"].map((field) => `params.${field}${joins.length - 1}`).join(", ")}); }
  }
}
fn setResult(arena: u32, i: u32, value: vec4f) {
  ${targets.map((_, i) => `if (arena == ${i}u) { setTarget${i}(i, value); }`).join("\n  ")}
}
`,
    main: wgsl`let join = joinOf(group.y);
  let parts = select(join.parts, (word(join.word) + join.size - 1u) / join.size, join.word > 0u);
  let own = select(group.x * ${threads}u + thread, group.x * ${vectors}u + thread % ${vectors}u, join.tree > 0u);
  let row = own / join.columns;
  let isInside = row < join.rows;
  let at = join.first + row * join.stride + own % join.columns;
  var sum = vec4f();
  let distance = select(1u, ${threads / vectors}u, join.tree > 0u);
  if (isInside) {
    for (var i = select(0u, thread / ${vectors}u, join.tree > 0u); i < parts; i += distance) { sum += sums(at + i * join.plane); }
  }
  if (join.tree > 0u) {
    part[thread] = sum;
    workgroupBarrier();
    for (var half = ${threads / 2}u; half >= ${vectors}u; half /= 2u) {
      if (thread < half) { part[thread] += part[thread + half]; }
      workgroupBarrier();
    }
    sum = part[thread];
  }
  if (isInside && (join.tree == 0u || thread < ${vectors}u)) { setResult(join.arena, join.place + own, sum); }`,
    workgroups: () => [groups, joins.length, 1],
    bytes: (live) =>
      joins.reduce((total, join) => {
        const { parts } = join;
        const count = typeof parts === "number" ? parts : Math.ceil(live(parts.of) / parts.size);
        return total + (count + 1) * join.rows * join.columns * 4;
      }, 0),
  });
}
