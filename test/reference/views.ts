/** Sentences whose views are neighbours, as one matrix a view. */
export function splitViews(x: ArrayLike<number>, width: number, views: number): Float64Array[] {
  const examples = x.length / width / views;
  return Array.from({ length: views }, (_, view) =>
    Float64Array.from({ length: examples * width }, (_, i) => x[(Math.floor(i / width) * views + view) * width + (i % width)]!),
  );
}
