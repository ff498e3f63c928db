/** The vectors in which kernels read a head: four numbers each, or two in heads whose size four does not divide (26 in TinyBERT). */
export const headVector = (headSize: number) =>
  headSize % 4 === 0 ? ({ size: 4, type: "vec4f" } as const) : ({ size: 2, type: "vec2f" } as const);
