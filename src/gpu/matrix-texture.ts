/**
 * Matrices of f32 in read-only storage textures. A software adapter loads from them without the checks of each lane that a storage buffer
 * costs it: a vector takes two thirds of the time.
 *
 * Layer l of a texture holds columns 64·l to 64·l + 63 of a matrix, a row of them in 16 texels. So the rows that a kernel reads together
 * lie close together, whether it walks along rows or columns. A layer is filled by one copy from a row-major buffer, without a kernel.
 */

/** Columns of a matrix in one layer: the fewest whose rows in a buffer are aligned for a copy. */
export const columnsPerLayer = 64;

const bytesPerVector = 16;
const vectorsPerRow = columnsPerLayer / 4;

/** Rows and columns that a texture has room for; columns are a multiple of `columnsPerLayer`. */
export interface MatrixSize {
  readonly rows: number;
  readonly columns: number;
}

/** How a shader binds the texture. */
export const matrixTextureType = "texture_storage_2d_array<rgba32float, read>";

/** The entry of a bind group's layout. */
export const matrixTextureLayout: GPUStorageTextureBindingLayout = {
  access: "read-only",
  format: "rgba32float",
  viewDimension: "2d-array",
};

/** The WGSL language feature that shaders need to read from it. */
export const matrixTextureFeature = "readonly_and_readwrite_storage_textures";

/** WGSL for the vector of columns 4·quad to 4·quad + 3 in a row. */
export const loadVector = (texture: string, row: string, quad: string): string =>
  `textureLoad(${texture}, vec2u(${quad} % ${vectorsPerRow}u, ${row}), ${quad} / ${vectorsPerRow}u)`;

/** The bytes of a texture. */
export const matrixBytes = ({ rows, columns }: MatrixSize): number => rows * columns * 4;

/** A new texture; `rows` and `columns / columnsPerLayer` must be within the device's limits. */
export function createMatrixTexture(gpu: GPUDevice, label: string, { rows, columns }: MatrixSize): GPUTexture {
  return gpu.createTexture({
    label,
    size: [vectorsPerRow, rows, columns / columnsPerLayer],
    format: "rgba32float",
    usage: GPUTextureUsage.COPY_DST | GPUTextureUsage.STORAGE_BINDING,
  });
}

/** The view that a bind group takes. */
export const matrixView = (texture: GPUTexture): GPUTextureView => texture.createView({ dimension: "2d-array" });

/** Where a row-major matrix begins, in bytes. */
interface MatrixPlace {
  readonly buffer: GPUBuffer;
  readonly offset: number;
}

/** Copies the first rows of a row-major matrix into a texture. */
export function copyMatrix(encoder: GPUCommandEncoder, from: MatrixPlace, texture: GPUTexture, { rows, columns }: MatrixSize): void {
  const { buffer, offset } = from;
  for (let layer = 0; layer < columns / columnsPerLayer; layer++) {
    encoder.copyBufferToTexture(
      { buffer, offset: offset + layer * vectorsPerRow * bytesPerVector, bytesPerRow: columns * 4 },
      { texture, origin: [0, 0, layer] },
      [vectorsPerRow, rows, 1],
    );
  }
}
