// Times of files: the state stores whole milliseconds, disks store finer times, Node passes seconds as floats.

/** Rounds down to whole milliseconds. Adding 0.01 keeps a time that was restored through a float from losing one. */
export function wholeMs(mtimeMs: number): number {
  return Math.floor(mtimeMs + 0.01);
}

/** A time for Node's utimes, which reads a negative number as "now" but takes any Date literally. */
export function fsTime(ms: number): number | Date {
  return ms < 0 ? new Date(ms) : ms / 1000;
}
