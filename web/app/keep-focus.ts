/** Gives the keyboard's focus back after work: whatever has it loses it by being disabled, or by being taken from the page. */
import { effect } from "@preact/signals";
import { isBusy } from "./store.ts";

interface Focused {
  readonly element: HTMLElement;
  /** The title of the step that it is in. */
  readonly title: HTMLElement | null;
}

/** What had the focus when the work began. */
let before: Focused | null = null;

export function keepFocus(): void {
  effect(() => {
    if (isBusy.value) before ??= focusedNow();
    // By then the page is drawn anew, and more work may have begun.
    else requestAnimationFrame(giveBack);
  });
}

function focusedNow(): Focused | null {
  const element = document.activeElement;
  if (!(element instanceof HTMLElement) || element === document.body) return null;
  return { element, title: element.closest(".step")?.querySelector("h2") ?? null };
}

function giveBack(): void {
  if (isBusy.peek() || before === null) return;
  for (const place of [before.element, before.title]) if (document.activeElement === document.body) place?.focus({ preventScroll: true });
  before = null;
}
