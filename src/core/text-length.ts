/** Longest text of one message, in UTF-16 code units. A channel may set a lower limit of its own. */
export const MAX_TEXT_LENGTH = 100_000;
