/** Registers the service worker, which makes the site open without a network. The build adds this script to every page. */
if ("serviceWorker" in navigator) {
  // Relative to this script, which the build puts into a folder of the site.
  navigator.serviceWorker.register(new URL(/* @vite-ignore */ "../service-worker.js", import.meta.url)).catch((error: unknown) => {
    // Private windows and some settings forbid it. The site works without, but not offline.
    console.info("The page will not open offline.", error);
  });
}
