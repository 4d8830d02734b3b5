// The server serves marked's own ESM build at this path; these are its types.
export * from 'marked';
