/** Numbers as people read them: three significant digits and a unit. Not for configuration, which is exact. */

/** 950, 1.23 k, 45.6 M */
export function humanCount(count: number): string {
  return scaled(count, 1000, ['', 'k', 'M', 'G', 'T']);
}

/** 950 B, 1.23 KB, 45.6 MB; powers of 1024, as in configuration. */
export function humanBytes(bytes: number): string {
  return scaled(bytes, 1024, ['B', 'KB', 'MB', 'GB', 'TB']);
}

/** 950 ms, 12.3 s, 2 min 05 s, 3 h 20 min, 2 d 4 h */
export function humanDuration(ms: number): string {
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${pad(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${pad(minutes % 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function humanPercent(share: number): string {
  return `${Math.round(share * 100)} %`;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  let unit = 0;
  // Three digits at most: what would round to 1000 is 1.00 of the next unit, or 0.98 of it where the base is 1024.
  while (unit < units.length - 1 && value >= 999.5) {
    value /= base;
    unit++;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return `${value.toFixed(digits)} ${units[unit]}`.trimEnd();
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
