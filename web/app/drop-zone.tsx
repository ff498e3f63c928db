/** A place to drop files and folders on, which also opens the browser's own dialogue. */
import type { ComponentChildren } from "preact";
import { useRef, useState } from "preact/hooks";
import type { NamedFile } from "../worker/protocol.ts";
import { droppedFiles } from "./dropped-files.ts";

interface DropZoneProps {
  readonly onFiles: (files: readonly NamedFile[]) => void;
  /** Endings for the dialogue, such as `.csv,.txt`. */
  readonly accept?: string;
  /** What the button says. */
  readonly choose: string;
  /** Offer to choose a folder too; what that button says. */
  readonly chooseFolder?: string;
  readonly disabled?: boolean;
  readonly children: ComponentChildren;
}

const named = (file: File): NamedFile => ({ path: file.webkitRelativePath || file.name, file });

export function DropZone({ onFiles, accept, choose, chooseFolder, disabled = false, children }: DropZoneProps) {
  const [isOver, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const take = (input: HTMLInputElement) => {
    const chosen = [...(input.files ?? [])].map(named);
    input.value = ""; // So that the same file can be chosen again.
    if (chosen.length > 0) onFiles(chosen);
  };
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: dropping is an addition to the buttons inside.
    <div
      class={`drop-zone${isOver ? " over" : ""}`}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(!disabled);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={async (event) => {
        event.preventDefault();
        setOver(false);
        if (disabled || event.dataTransfer === null) return;
        const dropped = await droppedFiles(event.dataTransfer);
        if (dropped.length > 0) onFiles(dropped);
      }}
    >
      <p>{children}</p>
      <div class="buttons">
        <button type="button" disabled={disabled} onClick={() => files.current?.click()}>
          {choose}
        </button>
        {chooseFolder && (
          <button type="button" disabled={disabled} onClick={() => folder.current?.click()}>
            {chooseFolder}
          </button>
        )}
      </div>
      <input ref={files} type="file" hidden multiple accept={accept} aria-label={choose} onChange={(event) => take(event.currentTarget)} />
      {chooseFolder && (
        <input
          ref={folder}
          type="file"
          hidden
          {...{ webkitdirectory: true }}
          aria-label={chooseFolder}
          onChange={(event) => take(event.currentTarget)}
        />
      )}
    </div>
  );
}
