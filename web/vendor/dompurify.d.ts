// The server serves DOMPurify's own ESM build at this path; these are its types.
export { default } from 'dompurify';
