/**
 * Adds up the parts of several results in one dispatch, in a fixed order: those of split products, and the sums of chunks of rows. A kernel
 * that does nothing but add up parts declares it (`Kernel.joins`), so that the planner can put several into this one (`autograd/joins.ts`).
 */
import { range, wgsl } from "../../gpu/shader.ts";
import { blockIndex, fold, kernel, numbered, paramU32 } from "./kernel.ts";
import { capacity, type Join, type Kernel, type Persistent, type Tensor, Value } from "./operation.ts";

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

const isMany = (join: Join) => most(join) > few;

/** 1 where the sum is added to the output, else 0. */
const adds = ({ output }: Join) => (output instanceof Value && output.adds ? 1 : 0);

/** Workgroups of a join. */
const groupsOf = (join: Join) => Math.ceil((join.rows * join.columns) / 4 / (isMany(join) ? vectors : threads));

/** The kernel's parameters for a join: its workgroups, whether it has many parts, and its sizes in vectors of four numbers. */
const fields = [
  "begin",
  "end",
  "many",
  "rows",
  "columns",
  "first",
  "stride",
  "plane",
  "parts",
  "word",
  "size",
  "place",
  "arena",
  "adds",
] as const;

type Numbers = Readonly<Record<(typeof fields)[number], number>>;

function numbersOf(join: GroupedJoin, begin: number, arena: number): Numbers {
  const { parts } = join;
  const counted =
    typeof parts === "number"
      ? { parts, word: 0, size: 1 }
      : typeof parts.of === "number"
        ? { parts: Math.ceil(parts.of / parts.size), word: 0, size: 1 }
        : { parts: 0, word: parts.of.word, size: parts.size };
  return {
    begin,
    end: begin + groupsOf(join),
    many: isMany(join) ? 1 : 0,
    rows: join.rows,
    columns: join.columns / 4,
    first: join.first / 4,
    stride: join.stride / 4,
    plane: join.plane / 4,
    ...counted,
    place: join.offset / 16 + join.outputFirst / 4,
    arena,
    adds: adds(join),
  };
}

/** The kernel that does several joins, whose sums all lie in `sums`. A workgroup has one join and some of its vectors. */
export function joinTogether(sums: Tensor, joins: readonly GroupedJoin[]): Kernel {
  const targets = [...new Set(joins.map(({ target }) => target))];
  const numbers: Numbers[] = [];
  for (const join of joins) numbers.push(numbersOf(join, numbers.at(-1)?.end ?? 0, targets.indexOf(join.target)));
  const all = numbers.at(-1)!.end;
  const made = (i: number) => `return Join(${fields.map((field) => `params.${field}${i}`).join(", ")});`;
  return kernel({
    label: "joins",
    workgroupSize: [threads],
    reads: { sums: [sums, "vec4f"] },
    writes: numbered("target", targets, (target) => [target, "vec4f"] as const),
    params: Object.fromEntries(numbers.flatMap((own, i) => fields.map((field) => [`${field}${i}`, paramU32(own[field])] as const))),
    declarations: wgsl`struct Join { ${fields.map((field) => `${field}: u32`).join(", ")} }
var<workgroup> part: array<vec4f, ${threads}>;
fn joinOf(block: u32) -> Join {
  ${range(joins.length - 1)
    .map((i) => `if (block < params.end${i}) { ${made(i)} }`)
    .join("\n  ")}
  ${made(joins.length - 1)}
}
fn finish(join: Join, own: u32, value: vec4f) {
  let i = join.place + own;
  ${targets.map((_, t) => `if (join.arena == ${t}u) { var sum = value; if (join.adds > 0u) { sum += target${t}(i); } setTarget${t}(i, sum); }`).join("\n  ")}
}
`,
    main: wgsl`${blockIndex}
  if (block >= params.end${joins.length - 1}) { return; }
  let join = joinOf(block);
  let isMany = join.many > 0u;
  let parts = select(join.parts, (word(join.word) + join.size - 1u) / join.size, join.word > 0u);
  let own = select((block - join.begin) * ${threads}u + thread, (block - join.begin) * ${vectors}u + thread % ${vectors}u, isMany);
  let row = own / join.columns;
  let isInside = row < join.rows;
  let at = join.first + row * join.stride + own % join.columns;
  let distance = select(1u, ${threads / vectors}u, isMany);
  var sum = vec4f();
  if (isInside) {
    for (var i = select(0u, thread / ${vectors}u, isMany); i < parts; i += distance) { sum += sums(at + i * join.plane); }
  }
  if (isMany) {
    part[thread] = sum;
    workgroupBarrier();
    for (var half = ${threads / 2}u; half >= ${vectors}u; half /= 2u) {
      if (thread < half) { part[thread] += part[thread + half]; }
      workgroupBarrier();
    }
    sum = part[thread];
  }
  if (isInside && (!isMany || thread < ${vectors}u)) { finish(join, own, sum); }`,
    workgroups: () => fold(all),
    bytes: (live) =>
      joins.reduce((total, join) => {
        const { parts } = join;
        const count = typeof parts === "number" ? parts : Math.ceil(live(parts.of) / parts.size);
        return total + (count + 1 + adds(join)) * join.rows * join.columns * 4;
      }, 0),
  });
}
