/** `more`: other programs by name (their source files), which then find these ones beside them. */
export function buildPrograms(folder: string, more?: Readonly<Record<string, string>>): Promise<void>;
