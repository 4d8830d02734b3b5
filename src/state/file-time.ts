// Times of files: the state keeps whole milliseconds, disks keep finer ones, Node passes seconds as floats.

/** Whole milliseconds; the hundredth keeps a time that was restored through a float from falling by one. */
export function wholeMs(mtimeMs: number): number {
  return Math.floor(mtimeMs + 0.01);
}

/** For Node's utimes: it takes a negative number for "now", but a Date as it is. */
export function fsTime(ms: number): number | Date {
  return ms < 0 ? new Date(ms) : ms / 1000;
}
