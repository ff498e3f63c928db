/** C = s · op(A)·op(B) + bias, in float64. */

export interface MatmulSize {
  readonly m: number;
  readonly n: number;
  readonly k: number;
}

/** The layout of A [m,k] and B [k,n] in memory, by letter: n normal, t transposed. */
const leftIndex = {
  nn: (i: number, p: number, { k }: MatmulSize) => i * k + p,
  nt: (i: number, p: number, { k }: MatmulSize) => i * k + p,
  tn: (i: number, p: number, { m }: MatmulSize) => p * m + i,
};
const rightIndex = {
  nn: (p: number, j: number, { n }: MatmulSize) => p * n + j,
  nt: (p: number, j: number, { k }: MatmulSize) => j * k + p,
  tn: (p: number, j: number, { n }: MatmulSize) => p * n + j,
};

export function matmul(
  layout: "nn" | "nt" | "tn",
  size: MatmulSize,
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { scale = 1, bias }: { scale?: number; bias?: ArrayLike<number> } = {},
): Float64Array {
  const { m, n, k } = size;
  const left = leftIndex[layout];
  const right = rightIndex[layout];
  const c = new Float64Array(m * n);
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let sum = 0;
      for (let p = 0; p < k; p++) sum += a[left(i, p, size)]! * b[right(p, j, size)]!;
      c[i * n + j] = scale * sum + (bias?.[j] ?? 0);
    }
  }
  return c;
}
