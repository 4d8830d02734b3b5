// What a caller of a store does with a refusal: ask again. On a busy machine others may hold the file for longer than one
// write waits.
import { Refused } from '../../src/core/errors.ts';

export async function repeatRefused<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Refused) || error.code !== 'store-busy') throw error;
    }
  }
}
