// How large files may be that Telegram gives out (https://core.telegram.org/bots/api#getfile, read 2026-11).

export const TELEGRAM_FILE_MEGABYTES = 20;
/** Of a Bot API server of one's own. */
export const OWN_SERVER_FILE_MEGABYTES = 2_000;

export const megabytes = (count: number): number => count * 1024 * 1024;

export const TELEGRAM_FILE_BYTES = megabytes(TELEGRAM_FILE_MEGABYTES);
