/**
 * A compute shader as one declaration: its bindings are named once, and from them come the `@binding` lines, the bind-group layout and
 * the order of a bind group's entries. The WGSL text that results is the pipeline's cache key.
 */

/** How a shader uses a buffer. A `read_write` buffer may not be bound twice in one dispatch. */
export type Access = "uniform" | "read" | "read_write";

export interface ShaderBinding {
  readonly name: string;
  /** WGSL store type, such as `array<vec4f>`. */
  readonly type: string;
  readonly access: Access;
}

export interface ShaderDeclaration {
  /** Shown in errors and profiles; not part of the cache key. */
  readonly label: string;
  readonly bindings: readonly ShaderBinding[];
  /** WGSL extensions to enable, such as `subgroups`. */
  readonly enables: readonly string[];
  readonly workgroupSize: readonly [x: number, y: number, z: number];
  /** Module-scope WGSL: functions, structs, workgroup variables. */
  readonly declarations: string;
  /** The body of `main`, which sees the builtins `group`, `groups`, `local`, `thread` (and `lane` where subgroups are enabled). */
  readonly main: string;
}

const addressSpace: Record<Access, string> = { uniform: "uniform", read: "storage, read", read_write: "storage, read_write" };
const bufferType: Record<Access, GPUBufferBindingType> = { uniform: "uniform", read: "read-only-storage", read_write: "storage" };

/** The complete WGSL module. */
export function shaderCode(shader: ShaderDeclaration): string {
  const subgroups = shader.enables.includes("subgroups");
  return `${shader.enables.map((name) => `enable ${name};\n`).join("")}${subgroups ? "diagnostic(off, subgroup_uniformity);\n" : ""}
${shader.bindings.map(({ name, type, access }, binding) => `@group(0) @binding(${binding}) var<${addressSpace[access]}> ${name}: ${type};`).join("\n")}
${shader.declarations}
@compute @workgroup_size(${shader.workgroupSize.join(", ")})
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
  return shader.bindings.map(({ access }, binding) => ({
    binding,
    visibility: GPUShaderStage.COMPUTE,
    buffer: { type: bufferType[access] },
  }));
}

/** A template tag that marks a string as WGSL for editors; it only joins. */
export function wgsl(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw({ raw: strings }, ...values);
}
