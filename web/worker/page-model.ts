/** The model that comes with the page: the files in `model/` beside it. The build puts them there and defines `PAGE_MODEL`. */
import { FileError, type Folder, openHttpFolder } from "simcse-webgpu/browser";

/** The model's name and files; null for a site without a model. */
declare const PAGE_MODEL: { readonly name: string; readonly files: readonly string[]; readonly version: string } | null;

/** The folder `model/` of the site. This script lies in a folder of the site's root. */
const address = new URL(/* @vite-ignore */ "../model/", import.meta.url);

export interface PageModel {
  readonly name: string;
  readonly folder: Folder;
  readonly files: readonly string[];
  /** Names the content of its files. */
  readonly version: string;
}

/** The page's model. Throws `FileError` where the site has none. */
export function pageModel(signal: AbortSignal): PageModel {
  if (PAGE_MODEL === null) {
    throw new FileError("This page comes without a model of its own.", "Choose a model by its name on the hub, or one from your disk.");
  }
  const { name, files, version } = PAGE_MODEL;
  return { name, files, version, folder: openHttpFolder(address, { files, signal }) };
}
