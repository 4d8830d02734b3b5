// Temporary media as WeChat keeps them: by an id, for three days, pictures and voice in the documented formats and sizes.
import { randomBytes } from 'node:crypto';

export interface KeptMedia {
  readonly kind: 'image' | 'voice';
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: Uint8Array;
}

interface Refusal {
  readonly errcode: number;
  readonly errmsg: string;
}

const KEPT_MS = 3 * 24 * 3_600_000;
const TAKEN: Readonly<Record<string, { readonly endings: RegExp; readonly maxBytes: number }>> = {
  image: { endings: /\.(png|jpe?g|gif)$/i, maxBytes: 10 * 1024 * 1024 },
  voice: { endings: /\.(amr|mp3)$/i, maxBytes: 2 * 1024 * 1024 },
};

export function createMediaShelf(clock: { now(): number }) {
  const kept = new Map<string, KeptMedia & { readonly untilMs: number }>();
  return {
    keep(media: KeptMedia): string {
      const id = `media_${randomBytes(24).toString('base64url')}`;
      kept.set(id, { ...media, untilMs: clock.now() + KEPT_MS });
      return id;
    },
    /** What an account uploads, as a form with the field `media`. */
    async upload(kind: string | null, form: FormData): Promise<{ readonly mediaId: string } | Refusal> {
      const file = form.get('media');
      const rule = TAKEN[kind ?? ''];
      if (!rule) return { errcode: 40004, errmsg: 'invalid media type' };
      if (!(file instanceof File) || file.size === 0) return { errcode: 41005, errmsg: 'media data missing' };
      if (!rule.endings.test(file.name)) return { errcode: 40005, errmsg: 'invalid file type' };
      if (file.size > rule.maxBytes) return { errcode: 45001, errmsg: 'media size out of limit' };
      const bytes = new Uint8Array(await file.arrayBuffer());
      const { name, type: mediaType } = file;
      return { mediaId: this.keep({ kind: kind as KeptMedia['kind'], name, mediaType, bytes }) };
    },
    /** null when there is none, or its three days are over. */
    find(id: string | null): KeptMedia | null {
      const found = kept.get(id ?? '');
      return found && found.untilMs > clock.now() ? found : null;
    },
  };
}
