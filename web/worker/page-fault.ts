/** What a visitor is told of an error that nobody expected. */

/** The failure, whose details go to the console for developers. */
export function pageFault(error: unknown): { readonly name: string; readonly message: string; readonly remedy: string } {
  console.error(error);
  return {
    name: "Error",
    message: error instanceof Error ? error.message : String(error),
    remedy: "This is a fault of the page: please report it.",
  };
}
