// Limits on AWS: counted in the state table, so that they hold over all executions of a function.
import { type Admit, createAdmission } from '../core/admission.ts';
import { systemClock } from '../core/clock.ts';
import type { MessageLimits } from '../core/limits.ts';
import { storedBytes } from '../state/record.ts';
import { createDynamoPlaces } from '../stores/dynamodb/places.ts';

export function admissionOf({
  limits,
  stateTable,
}: {
  readonly limits: MessageLimits;
  readonly stateTable: string;
}): Admit {
  return createAdmission({
    places: createDynamoPlaces({ stateTable, clock: systemClock }),
    limitsOf: async () => limits,
    bytesOf: storedBytes,
    clock: systemClock,
  });
}
