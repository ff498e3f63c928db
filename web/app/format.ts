/** Numbers as people read them. */

const units = ["bytes", "KB", "MB", "GB"] as const;

export function formatBytes(bytes: number): string {
  const unit = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, bytes)) / 3)));
  const value = bytes / 1000 ** unit;
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0 })} ${units[unit]}`;
}

export const formatCount = (count: number): string => count.toLocaleString("en");

/** `22.7 million`; less than a million to the last digit. */
export function formatLarge(count: number): string {
  if (count < 1e6) return formatCount(count);
  return `${(count / 1e6).toLocaleString("en", { maximumFractionDigits: count < 1e8 ? 1 : 0 })} million`;
}

/** `1 pair`, `2 pairs`. */
export const plural = (count: number, one: string, many = `${one}s`): string => `${formatCount(count)} ${count === 1 ? one : many}`;

/** `28 Nov 2026, 12:36`, of milliseconds since 1970. */
export const formatTime = (milliseconds: number): string =>
  new Date(milliseconds).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" });

export function formatDuration(seconds: number): string {
  if (seconds < 1) return `${(seconds * 1000).toFixed(0)} ms`;
  if (seconds < 90) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** With so many digits after the point, and with the sign that typographers use. */
export const formatDecimal = (value: number, digits: number): string => value.toFixed(digits).replace("-", "−");

/** A share as `12.5%`. */
export const formatPercent = (share: number): string => `${(share * 100).toLocaleString("en", { maximumFractionDigits: 1 })}%`;
