/** The model that comes with the page, as the build found it. */

declare const PAGE_MODEL: { readonly name: string; readonly bytes: number } | null;

/** Its name and size; null for a site without one. */
export const pageModel = PAGE_MODEL;
