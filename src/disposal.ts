/**
 * The symbols that `using` looks for. Safari has none, Chromium since version 134, Firefox since 141: without them, `using` throws there. A
 * file whose class can be disposed of imports this one. The symbols are those that esbuild, Rolldown and Babel look for instead.
 */
for (const name of ["dispose", "asyncDispose"]) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) });
}
