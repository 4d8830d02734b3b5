// The name that `deploy` gives to the file of an installation. Apart, because workers name it in a chat and read none.
export const INSTALLATION_FILE = 'hybrid-sessions.aws.json';
