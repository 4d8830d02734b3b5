// Limits on AWS: counted in the state table, so that they hold over all executions of a function.
import { type Admit, createAdmission } from '../core/admission.ts';
import { systemClock } from '../core/clock.ts';
import { limitsWithin, type MessageLimits } from '../core/limits.ts';
import { storedBytes } from '../state/record.ts';
import { createDynamoPlaces } from '../stores/dynamodb/places.ts';
import type { TenantDirectory } from '../tenants/directory.ts';

/** `directory`: what tenants say for themselves; null where there are none. */
export function admissionOf(
  { limits, stateTable }: { readonly limits: MessageLimits; readonly stateTable: string },
  directory: Pick<TenantDirectory, 'of'> | null = null,
): Admit {
  return createAdmission({
    places: createDynamoPlaces({ stateTable, clock: systemClock }),
    limitsOf: async (tenant) => limitsWithin((await directory?.of(tenant))?.settings.limits ?? null, limits),
    bytesOf: storedBytes,
    clock: systemClock,
  });
}
