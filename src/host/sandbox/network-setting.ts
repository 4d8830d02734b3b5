// `network` of an agent folder's settings.json: what the agent may reach besides the model.
//   "none"            nothing (the default)
//   {"allow": [...]}  these hosts, by HTTP and HTTPS, through a proxy of ours
//   "open"            whatever this machine reaches, its own services and neighbours included
import { z } from 'zod';
import { commonPattern, isHostPattern } from './host-pattern.ts';

export const networkSchema = z.union(
  [
    z.enum(['none', 'open']),
    z.strictObject({
      allow: z
        .array(
          z
            .string()
            .refine(
              isHostPattern,
              'must be a host such as "example.com", "*.example.com" or "example.com:8443"',
            ),
        )
        .max(1_000),
    }),
  ],
  { error: 'must be "none", "open" or {"allow": ["example.com", ...]}' },
);

export type NetworkSetting = z.infer<typeof networkSchema>;

/** What both settings let through. */
export function narrowedNetwork(setting: NetworkSetting, by: NetworkSetting | null): NetworkSetting {
  if (by === null || by === 'open' || setting === 'none') return setting;
  if (setting === 'open' || by === 'none') return by;
  const both = setting.allow.flatMap((one) => by.allow.flatMap((other) => commonPattern(one, other) ?? []));
  return both.length === 0 ? 'none' : { allow: [...new Set(both)] };
}
