/**
 * A compute shader as one declaration. Its bindings are named once; the `@binding` lines, the bind-group layout and the order of a bind
 * group's entries are derived from them. The resulting WGSL text is the pipeline's cache key.
 *
 * Tensors of floats are read and written through functions named after the binding, `x(i)` and `setX(i, value)`, always in f32. So one body
 * serves tensors stored as f32 and as f16. Where a device has no `shader-f16`, words hold two f16 values each, which are read by twos or
 * fours. A tensor that is larger than the device's largest binding is bound in several windows, and the functions choose the right one. A
 * matrix in a texture is read by `x(row, quad)`, four columns at a time. All other bindings are plain arrays or structs, `tokens[i]`.
 */
import { ShapeError } from "../errors.ts";
import { loadVector, matrixTextureLayout, matrixTextureType } from "./matrix-texture.ts";

/** How a shader uses what it binds: a buffer, or a matrix in a texture. A `read_write` buffer may not be bound twice in one dispatch. */
export type Access = "uniform" | "read" | "read_write" | "texture";

type BufferAccess = Exclude<Access, "texture">;

/** A buffer or texture that a shader binds, as a declaration. */
export interface ShaderBinding {
  readonly name: string;
  /** WGSL type of one element as the shader computes with it, such as `vec4f`; for a uniform, the type of the whole. */
  readonly type: string;
  readonly access: Access;
  /** Whether its floats are stored as f16. */
  readonly half?: boolean;
  /** Whether its setter adds to what is there. */
  readonly adds?: boolean;
  /** The bindings that share its elements, if it needs several. */
  readonly windows?: Windows | null;
}

/** A tensor that is bound in several windows. */
export interface Windows {
  readonly count: number;
  /** Elements of each window except the last, as the shader computes with them. */
  readonly elements: number;
}

/** A compute shader: bindings, uniforms and a WGSL body. Layouts and the cache key are derived from it. */
export interface ShaderDeclaration {
  /** Shown in errors and profiles; not part of the cache key. */
  readonly label: string;
  readonly bindings: readonly ShaderBinding[];
  /** WGSL extensions to enable, such as `subgroups`. */
  readonly enables: readonly string[];
  readonly workgroupSize: readonly [x: number, y: number, z: number];
  /** Module-scope WGSL: functions, structs, workgroup variables. */
  readonly declarations: string;
  /** The body of `main`. It can use the builtins `group`, `groups`, `local`, `thread` (and `lane` where subgroups are enabled). */
  readonly main: string;
}

const addressSpace: Record<BufferAccess, string> = { uniform: "uniform", read: "storage, read", read_write: "storage, read_write" };
const bufferType: Record<BufferAccess, GPUBufferBindingType> = { uniform: "uniform", read: "read-only-storage", read_write: "storage" };

/** How floats of a type are stored, and how they are loaded and stored. */
interface Storage {
  readonly element: string;
  readonly load: (stored: string) => string;
  readonly store: (value: string) => string;
}

const floats = (type: string): Storage => ({ element: type, load: (stored) => stored, store: (value) => value });
const halves = (type: string): Storage => {
  const element = type === "f32" ? "f16" : `${type.slice(0, 4)}<f16>`;
  return { element, load: (stored) => `${type}(${stored})`, store: (value) => `${element}(${value})` };
};
/** Halves in words, by the type that they are read as; a single one has no word of its own. */
const packed: Readonly<Record<string, Storage>> = {
  vec2f: {
    element: "u32",
    load: (stored) => `unpack2x16float(${stored})`,
    store: (value) => `pack2x16float(${value})`,
  },
  vec4f: {
    element: "vec2u",
    load: (stored) => `vec4f(unpack2x16float(${stored}.x), unpack2x16float(${stored}.y))`,
    store: (value) => `vec2u(pack2x16float(${value}.xy), pack2x16float(${value}.zw))`,
  },
};

/** The variable name of a float binding with one window, for code that takes its address. */
export const memoryOf = (name: string) => `${name}Memory`;

/** The name of the function that writes a float binding. */
export const setterOf = (name: string) => `set${name[0]!.toUpperCase()}${name.slice(1)}`;

const floatTypes: readonly string[] = ["f32", "vec2f", "vec4f"];

const bindingCount = ({ windows }: ShaderBinding): number => windows?.count ?? 1;

function declareBinding(declared: ShaderBinding, binding: number, hasHalves: boolean): string {
  const { name, type, access, half = false, adds = false, windows } = declared;
  if (access === "texture") {
    return `@group(0) @binding(${binding}) var ${name}Texture: ${matrixTextureType};
fn ${name}(row: u32, quad: u32) -> vec4f { return ${loadVector(`${name}Texture`, "row", "quad")}; }`;
  }
  const variable = (identifier: string, store: string, window = 0) =>
    `@group(0) @binding(${binding + window}) var<${addressSpace[access]}> ${identifier}: ${store};`;
  if (access === "uniform") return variable(name, type);
  if (!floatTypes.includes(type)) return variable(name, `array<${type}>`);
  const { element, load, store } = half ? (hasHalves ? halves(type) : packed[type]!) : floats(type);
  const memories = windows ? Array.from({ length: windows.count }, (_, window) => memoryOf(`${name}${window}`)) : [memoryOf(name)];
  /** Does something with the memory that holds element i: all windows but the last are left when it lies in them. */
  const choose = (use: (place: string) => string) =>
    memories
      .map((memory, window) => {
        const place = `${memory}[${window === 0 ? "i" : `i - ${window * windows!.elements}u`}]`;
        return window === memories.length - 1 ? use(place) : `if (i < ${(window + 1) * windows!.elements}u) { ${use(place)} }`;
      })
      .join(" ");
  const set = (place: string) => `${place} = ${store(adds ? `${load(place)} + value` : "value")}; return;`;
  return [
    ...memories.map((memory, window) => variable(memory, `array<${element}>`, window)),
    `fn ${name}(i: u32) -> ${type} { ${choose((place) => `return ${load(place)};`)} }`,
    ...(access === "read_write" ? [`fn ${setterOf(name)}(i: u32, value: ${type}) { ${choose(set)} }`] : []),
  ].join("\n");
}

/** Every binding with the number of its first `@binding`. */
function numbered(bindings: readonly ShaderBinding[]): [ShaderBinding, number][] {
  let next = 0;
  return bindings.map((binding) => {
    const first = next;
    next += bindingCount(binding);
    return [binding, first];
  });
}

/**
 * Extensions that require uniform control flow or arguments within a subgroup, and the diagnostic that checks it. The check only knows
 * workgroups: it rejects values that are uniform in a subgroup but not in the workgroup, such as the subgroup's number.
 */
const uniformityRules: Readonly<Record<string, string>> = {
  subgroups: "subgroup_uniformity",
  chromium_experimental_subgroup_matrix: "chromium.subgroup_matrix_uniformity",
};

/** What a shader's text depends on. */
export interface ShaderTarget {
  /** Whether the device has `shader-f16`. */
  readonly hasHalves: boolean;
  /** The subgroup size that shaders with subgroups ask for; null where the device has just one, or they work with any. */
  readonly askedLanes: number | null;
}

/** WGSL that makes a pipeline's subgroups have a size, one of the adapter's (`subgroup-size-control`). */
export const subgroupSizeAttribute = (lanes: number): string => `@subgroup_size(${lanes})`;
/** The extension that it needs. */
export const subgroupSizeExtension = "subgroup_size_control";

/** Throws `ShapeError` if a shader reads or writes halves one by one, which have no word of their own on a device without `shader-f16`. */
function checkPacked({ label, bindings }: ShaderDeclaration): void {
  const single = bindings.find(({ half, type }) => half && floatTypes.includes(type) && packed[type] === undefined);
  if (single === undefined) return;
  throw new ShapeError(
    `${label}: ${single.name} is stored as f16 and used one number at a time, which takes a device with shader-f16.`,
    "Give it rows of a multiple of four numbers, or store it as f32.",
  );
}

/** The complete WGSL module for a device. Throws `ShapeError` for f16 in rows that a device without `shader-f16` cannot use. */
export function shaderCode(shader: ShaderDeclaration, { hasHalves, askedLanes }: ShaderTarget): string {
  if (!hasHalves) checkPacked(shader);
  const subgroups = shader.enables.includes("subgroups");
  const usesHalves = hasHalves && shader.bindings.some(({ half }) => half);
  const asks = subgroups && askedLanes !== null;
  const enables = new Set([...shader.enables, ...(usesHalves ? ["f16"] : []), ...(asks ? [subgroupSizeExtension] : [])]);
  const rules = [...enables].flatMap((name) => uniformityRules[name] ?? []);
  return `${[...enables].map((name) => `enable ${name};\n`).join("")}${rules.map((rule) => `diagnostic(off, ${rule});\n`).join("")}
${numbered(shader.bindings)
  .map(([binding, first]) => declareBinding(binding, first, hasHalves))
  .join("\n")}
${shader.declarations}
@compute @workgroup_size(${shader.workgroupSize.join(", ")})${asks ? ` ${subgroupSizeAttribute(askedLanes)}` : ""}
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_id) local: vec3u,
  @builtin(local_invocation_index) thread: u32,${subgroups ? "\n  @builtin(subgroup_invocation_id) lane: u32," : ""}
) {
${shader.main}
}
`;
}

export function bindGroupLayoutEntries(shader: ShaderDeclaration): GPUBindGroupLayoutEntry[] {
  const accesses = shader.bindings.flatMap((binding) => Array<Access>(bindingCount(binding)).fill(binding.access));
  return accesses.map((access, binding) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    ...(access === "texture" ? { storageTexture: matrixTextureLayout } : { buffer: { type: bufferType[access] } }),
  }));
}

/** A template tag that marks a string as WGSL for editors; it only joins. */
export function wgsl(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw({ raw: strings }, ...values);
}

/** 0 … count − 1: the indices for code that a template repeats `count` times. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);
