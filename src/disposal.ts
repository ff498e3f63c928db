/**
 * The symbols that `using` looks for, and without which it throws. Chromium has them since version 134, Firefox since 141, and Safari not
 * yet. A file whose class can be disposed of imports this one. The symbols are those that esbuild, Rolldown and Babel look for instead.
 */
for (const name of ["dispose", "asyncDispose"]) {
  if (!(name in Symbol)) Object.defineProperty(Symbol, name, { value: Symbol.for(`Symbol.${name}`) });
}
