// Which transcriber there is: a program of this machine, or an address. None by default: then voice messages are files.
import { z } from 'zod';
import type { Transcriber } from '../core/ports/transcriber.ts';
import { type SecretReference, secretReferenceSchema } from '../core/secret-reference.ts';

const MB = 1024 * 1024;
const limits = {
  timeoutSec: z.number().positive().max(600).default(120),
  /** What OpenAI takes. */
  maxBytes: z
    .int()
    .min(1)
    .max(50 * MB)
    .default(25 * MB),
};

export const transcriberSchema = z.union([
  z.strictObject({ command: z.array(z.string().min(1)).min(1).max(50), ...limits }),
  z.strictObject({
    url: z.url({ protocol: /^https?$/ }),
    model: z.string().min(1),
    key: secretReferenceSchema.optional(),
    language: z
      .string()
      .regex(/^[a-z]{2,3}$/)
      .optional(),
    ...limits,
  }),
]);
export type TranscriberSettings = z.infer<typeof transcriberSchema>;

export async function openTranscriber(
  settings: TranscriberSettings,
  parts: { readonly read: (reference: SecretReference) => Promise<string>; readonly path: string },
): Promise<Transcriber> {
  const { timeoutSec, maxBytes } = settings;
  const common = { timeoutMs: timeoutSec * 1_000, maxBytes };
  if ('command' in settings) {
    const { createCommandTranscriber } = await import('./command.ts');
    return createCommandTranscriber({ ...common, command: settings.command, path: parts.path });
  }
  const { createEndpointTranscriber } = await import('./endpoint.ts');
  const { url, model, key, language } = settings;
  return createEndpointTranscriber({
    ...common,
    ...{ url, model },
    ...(key !== undefined && { key: () => parts.read(key) }),
    ...(language !== undefined && { language }),
  });
}
